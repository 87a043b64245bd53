"""How many assignments a space holds, and which share each rule removes."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from heron_cli.space.evaluator import Evaluator
from heron_cli.space.proposals import Proposals
from heron_cli.space.resolve import support
from heron_cli.space.space import Constraint, Space
from heron_cli.space.tables import Grouping, Table, group

COUNTED = 1 << 24
"""Combinations of table rows that are counted one by one; beyond, the number is estimated."""
DRAWN = 1 << 18
"""Proposals of an estimate."""
_CHUNK = 1 << 16
_Z = 1.959964  # two-sided 95 % of the normal distribution


@dataclass(frozen=True, slots=True)
class Size:
    """The number of assignments; when not exact, `low` and `high` are a 95 % confidence interval."""

    value: int
    exact: bool
    low: int
    high: int

    def __str__(self) -> str:
        return (
            f"{self.value:,}" if self.exact else f"about {self.value:.3g} ({self.low:.3g} to {self.high:.3g})"
        )


@dataclass(frozen=True, slots=True)
class Share:
    """A share between 0 and 1 with its 95 % confidence interval."""

    value: float
    low: float
    high: float


def size(space: Space, seed: int = 0) -> Size:
    """The number of assignments: exact where the tables are small, else estimated from random proposals."""
    grouping = group(space)
    value, low, high, exact = 1, 1.0, 1.0, True
    for k, part in enumerate(_independent(grouping)):
        combinations = part.combinations
        if combinations <= COUNTED:
            count = _count(space, part)
            value, low, high = value * count, low * count, high * count
        else:
            share = _estimate(space, part, np.random.default_rng([seed, k]))
            exact = False
            value = value * round(share.value * combinations)
            low, high = low * share.low * combinations, high * share.high * combinations
    return Size(value, exact, value if exact else int(low), value if exact else int(high) + 1)


def pruning(space: Space, seed: int = 0, wanted: int = 2000) -> dict[str, Share]:
    """By label: which share of the assignments that satisfy all other rules this one removes.

    Each is estimated from up to `wanted` uniform assignments of the space without the rule; a rule whose
    effect could not be seen, because none was found, has the interval from 0 to 1.
    """
    found: dict[str, Share] = {}
    for k, label in enumerate(dict.fromkeys(constraint.label for constraint in space.constraints)):
        relaxed = space.without({label})
        rule = Evaluator(Space(space.knobs, space.derived, _labelled(space, label)))
        rng = np.random.default_rng([seed, k])
        grouping = group(relaxed)
        kept = seen = drawn = 0
        if grouping.combinations:
            proposals = Proposals(relaxed, grouping)
            while seen < wanted and drawn < DRAWN:
                indices = proposals.random(_CHUNK // 8, rng, [None] * len(grouping.tables))
                rows = proposals.rows(indices, proposals.survivors(indices))
                drawn, seen = drawn + _CHUNK // 8, seen + len(rows)
                kept += int(rule.valid(rows).sum())
        share = wilson(kept, seen)
        found[label] = Share(1 - share.value, 1 - share.high, 1 - share.low)
    return found


def wilson(hits: int, tries: int) -> Share:
    """The share of hits with Wilson's 95 % score interval; from 0 to 1 without a try."""
    if not tries:
        return Share(1.0, 0.0, 1.0)
    p, z2 = hits / tries, _Z * _Z
    centre = (p + z2 / (2 * tries)) / (1 + z2 / tries)
    half = _Z * sqrt(p * (1 - p) / tries + z2 / (4 * tries * tries)) / (1 + z2 / tries)
    return Share(p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)))


def _labelled(space: Space, label: str) -> tuple[Constraint, ...]:
    return tuple(constraint for constraint in space.constraints if constraint.label == label)


def _independent(grouping: Grouping) -> list[Grouping]:
    """Split tables that no condition couples, so that each part is counted on its own."""
    parts: list[tuple[list[Table], list[int]]] = [([table], []) for table in grouping.tables]
    for index, condition in enumerate(grouping.coupling):
        names = support(condition)
        touched = [part for part in parts if any(not names.isdisjoint(t.names) for t in part[0])]
        tables = [table for part in touched for table in part[0]]
        indices = [k for part in touched for k in part[1]] + [index]
        parts = [part for part in parts if part not in touched] + [(tables, indices)]
    return [
        Grouping(tuple(tables), tuple(grouping.coupling[k] for k in indices), grouping.risky)
        for tables, indices in parts
    ]


def _count(space: Space, part: Grouping) -> int:
    if not part.coupling or not part.combinations:
        return part.combinations
    proposals = Proposals(space, part)
    shape = tuple(map(len, part.tables))
    total = 0
    for start in range(0, part.combinations, _CHUNK):
        every = np.arange(start, min(start + _CHUNK, part.combinations))
        indices = [np.asarray(index) for index in np.unravel_index(every, shape)]
        total += len(proposals.survivors(indices))
    return total


def _estimate(space: Space, part: Grouping, rng: np.random.Generator) -> Share:
    proposals = Proposals(space, part)
    hits = drawn = 0
    while drawn < DRAWN:
        indices = proposals.random(_CHUNK, rng, [None] * len(part.tables))
        hits, drawn = hits + len(proposals.survivors(indices)), drawn + _CHUNK
    return wilson(hits, drawn)
