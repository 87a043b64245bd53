"""A synthetic kernel to search: three axes split over levels, a capacity, a multiplicative cost."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from heron_cli.search.problem import PlainProblem, Rows, VariantSpace
from heron_cli.trial import Candidate, Measurement, Status

NAMES = ("m0", "m1", "m2", "n0", "n1", "n2", "k0", "k1", "order", "unroll")


def splits(extent: int, parts: int) -> list[tuple[int, ...]]:
    if parts == 1:
        return [(extent,)]
    divisors = [d for d in range(1, extent + 1) if extent % d == 0]
    return [(d, *rest) for d in divisors for rest in splits(extent // d, parts - 1)]


class ToySampler:
    """Axis tables drawn independently, rows over the capacity dropped; uniform by construction."""

    def __init__(self, m: int, n: int, k: int, capacity: int) -> None:
        groups = [
            splits(m, 3),
            splits(n, 3),
            splits(k, 2),
            [(o,) for o in range(6)],
            [(u,) for u in (1, 2, 4, 8)],
        ]
        self.tables = [np.array(group, dtype=np.int64) for group in groups]
        self.capacity = capacity
        self.extents = (m, n, k)
        columns = [column for table in self.tables for column in table.T]
        self.knobs = [
            SimpleNamespace(name=name, values=tuple(np.unique(column).tolist()))
            for name, column in zip(NAMES, columns, strict=True)
        ]

    def valid(self, rows: Rows) -> Any:
        return self.violation(rows) == 0

    def violation(self, rows: Rows) -> Any:
        """How many constraints are broken, and the size of what does not fit, in capacities."""
        m, n, k = rows[:, 1] * rows[:, 2], rows[:, 4] * rows[:, 5], rows[:, 7]
        used = (m * k + n * k + m * n) / self.capacity
        products = np.stack([rows[:, 0] * m, rows[:, 3] * n, rows[:, 6] * k], axis=1)
        return (products != self.extents).sum(axis=1) + np.where(used > 1, used, 0.0)

    def draw(self, n: int, rng: np.random.Generator, restrict: Mapping[str, Collection[int]]) -> Rows:
        parts, column = [], 0
        for table in self.tables:
            names = NAMES[column : column + table.shape[1]]
            column += table.shape[1]
            for place, name in enumerate(names):
                if name in restrict:
                    table = table[np.isin(table[:, place], list(restrict[name]))]
            if not len(table):
                return np.empty((0, len(NAMES)), dtype=np.int64)
            parts.append(table[rng.integers(len(table), size=n)])
        rows = np.hstack(parts)
        return rows[self.valid(rows)]

    def sample(self, n: int, rng: np.random.Generator, restrict: Mapping[str, Collection[int]] = {}) -> Rows:
        rows = self.draw(4 * n, rng, restrict)
        while len(rows) < n:
            rows = np.concatenate([rows, self.draw(4 * n, rng, restrict)])
        return rows[:n]

    def offspring(self, choices: Rows, kept: Any, fallbacks: Rows, rng: np.random.Generator) -> Rows:
        children = []
        for wanted, mask, fallback in zip(choices, kept, fallbacks, strict=True):
            restriction = {NAMES[k]: set(wanted[:, k].tolist()) for k in np.flatnonzero(mask)}
            drawn = self.draw(32, rng, restriction)
            children.append(drawn[0] if len(drawn) else fallback)
        return np.array(children)

    def everything(self) -> Rows:
        indices = np.indices([len(table) for table in self.tables]).reshape(len(self.tables), -1)
        rows = np.hstack([table[index] for table, index in zip(self.tables, indices, strict=True)])
        return rows[self.valid(rows)]


def cost(rows: Rows) -> Any:
    """Seconds of each row: penalties multiply, as utilisation, reuse and overhead do."""
    m0, m1, m2, n0, n1, n2, k0, k1, order, unroll = rows.T.astype(float)
    tile = m2 * n2
    registers = 1 + 0.3 * np.abs(np.log2(tile / 24.0)) + 2.0 * (tile > 31)
    lines = 1 + 0.15 * np.abs(np.log2(n2) - 2)
    reuse = 1 + 4.0 / (m1 * m2) + 4.0 / (n1 * n2)
    depth = 1 + 6.0 / k1 + 0.1 * np.log2(k0)
    body = 1 + 0.08 * np.abs(np.log2(unroll * k1 / 64.0))
    balance = np.ceil(m0 * n0 / 8) * 8 / (m0 * n0)
    sequence = 1 + 0.06 * np.abs(order - 3) * (1 + (m1 > n1))
    return 1e-4 * registers * lines * reuse * depth * body * balance * sequence


def features(rows: Rows) -> tuple[Any, Sequence[str]]:
    m, n, k = rows[:, 1] * rows[:, 2], rows[:, 4] * rows[:, 5], rows[:, 7]
    table = np.stack(
        [np.log2(m * k), np.log2(n * k), np.log2(m * n), np.log2(rows[:, 2] * rows[:, 5])], axis=1
    )
    return table, ("input", "weight", "output", "register")


def variant(
    name: str = "plain", m: int = 256, n: int = 384, k: int = 512, capacity: int = 1 << 14, **options: Any
) -> VariantSpace:
    sampler = ToySampler(m, n, k, capacity)
    rules = {"valid": sampler.valid, "violation": sampler.violation} | options
    return VariantSpace(name, SimpleNamespace(knobs=sampler.knobs), sampler, features, **rules)


def small_variant(name: str = "small") -> VariantSpace:
    """144 points."""
    return variant(name, m=1, n=2, k=2, capacity=1 << 30)


def problem(*variants: VariantSpace) -> PlainProblem:
    return PlainProblem("gemm toy", "gemm", "toy", "digest", variants or (variant(),), {"m": 256})


@dataclass
class FakeRunner:
    """Measures by formula: noise, failures and order are functions of the candidate."""

    variants: Sequence[VariantSpace]
    slower: Mapping[str, float] = field(default_factory=dict)
    failing: float = 0.0
    unverified: bool = False
    grain: float = 0.0  # rounds the logarithm of the cost, so that there are close rivals
    asked: list[Candidate] = field(default_factory=list)
    reasked: list[list[Candidate]] = field(default_factory=list)
    shuffle: bool = True
    closed_early: int = 0

    def run(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, Measurement]]:
        order = list(range(len(candidates)))
        if self.shuffle:
            order.sort(key=lambda index: chance(candidates[index], "order"))
        done = 0
        try:
            for index in order:
                self.asked.append(candidates[index])
                done += 1
                yield index, self.measure(candidates[index])
        finally:
            self.closed_early += done < len(order)

    def measure(self, candidate: Candidate, salt: str = "trial") -> Measurement:
        if chance(candidate, "fail") < self.failing:
            return Measurement(Status.BUILD_ERROR, reason="no such instruction", build_seconds=0.5)
        [space] = [space for space in self.variants if space.name == candidate.variant]
        seconds = float(cost(space.rows([candidate.values]))[0]) * self.slower.get(candidate.variant, 1.0)
        if self.grain:
            seconds = math.exp(round(math.log(seconds) / self.grain) * self.grain)
        seconds *= 1 + 0.01 * chance(candidate, salt)
        return Measurement(
            Status.OK, seconds, 0.01, verified=not self.unverified, build_seconds=0.5, run_seconds=0.25
        )

    def remeasure(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        self.reasked.append(list(candidates))
        return [self.measure(candidate, "again") for candidate in candidates]

    def close(self) -> None:
        pass


def chance(candidate: Candidate, salt: str) -> float:
    """A number in [0, 1) that only depends on the candidate and the salt."""
    digest = hashlib.sha256(f"{candidate}{salt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
