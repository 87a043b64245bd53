"""The table sampler: exactly uniform, tens to hundreds of thousands of valid rows a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from heron_cli.errors import SpaceEmptyError
from heron_cli.space.columns import Column
from heron_cli.space.cpsat import CpBackend
from heron_cli.space.expression import Const, Node, Var
from heron_cli.space.faults import SolverBugError, SolverTimeoutError
from heron_cli.space.fitting import Fitting
from heron_cli.space.proposals import Indices, Mask, Proposals
from heron_cli.space.protocol import FREE, Kept, Restriction, restriction_of
from heron_cli.space.space import Rows, Space
from heron_cli.space.tables import group

BATCH = 1 << 15
"""Most proposals judged at a time: more would leave the cache."""
FITTING = 1 << 22
"""Most pairs of a child and a row of a table that are looked at together."""
PATIENCE = 1 << 20
"""Proposals drawn, besides PATIENCE_PER_ROW for each row wanted, before the solver takes over."""
PATIENCE_PER_ROW = 4096
TRIES = 128
"""Proposals for each offspring before the solver takes over, after FIRST_TRIES for all of them."""
FIRST_TRIES = 8


@dataclass(frozen=True)
class _Plan:
    """A restriction in terms of the tables."""

    subsets: list[Indices | None]  # per table: its allowed rows, None for all
    others: dict[Node, tuple[int, ...]]  # trees over several tables, with their allowed values
    empty: bool  # a table has no row left


class TableSampler:
    """Draws from the product of the tables and rejects what the coupling constraints forbid."""

    def __init__(self, space: Space, backend: CpBackend | None = None):
        self.space = space
        self._backend = backend or CpBackend(space)
        self._grouping = group(space)
        self._proposals = Proposals(space, self._grouping)

    @property
    def acceptance(self) -> float:
        """The share of proposals that are valid, from a pilot sample."""
        return self._proposals.acceptance

    @property
    def combinations(self) -> int:
        """How many combinations of table rows there are."""
        return self._grouping.combinations

    def sample(self, n: int, rng: np.random.Generator, restrict: Restriction = FREE) -> Rows:
        """`n` valid rows, int64 [n, knobs], independent and uniform over the space within `restrict`.

        Where fewer than one proposal in PATIENCE_PER_ROW is valid, the solver supplies what is missing: those
        rows are diverse but not uniform. Raises SpaceEmptyError when the solver proved that there is none.
        """
        plan = self._plan(restrict)
        found: list[Rows] = []
        missing, proposed, accepted = n, 0, 0
        patience = 0 if plan.empty else PATIENCE + PATIENCE_PER_ROW * n
        tests = [(node, _membership(values)) for node, values in plan.others.items()]
        while missing > 0 and proposed < patience:
            rate = accepted / proposed if accepted else self.acceptance if not proposed else 0.0
            wanted = int(1.1 * missing / rate) + 64 if rate else BATCH
            size = min(wanted, BATCH)
            drawn = self._proposals.random(size, rng, plan.subsets)
            alive = self._proposals.survivors(drawn, tests)
            proposed, accepted = proposed + size, accepted + len(alive)
            if len(alive):
                found.append(self._proposals.rows(drawn, alive[:missing]))
                missing -= len(found[-1])
        for _ in range(missing):
            found.append(self._solved(rng, restrict, plan.empty)[None, :])
        return np.concatenate(found) if found else np.empty((0, len(self.space.knobs)), np.int64)

    def offspring(self, choices: Rows, kept: Kept, fallbacks: Rows, rng: np.random.Generator) -> Rows:
        """One valid row per child, int64 [n, knobs]; see `protocol.Sampler`.

        Proposals within the tables' rows that fit, a few for all children at once and then up to TRIES for
        those without a row: uniform within what is asked. Then the solver; then, where there provably is
        nothing or the solver gives up, the fallback.
        """
        result = fallbacks.copy()
        left = np.arange(len(result))
        for tries in (FIRST_TRIES, TRIES):
            longest = max(map(len, self._grouping.tables), default=1)
            step = max(1, min(BATCH // tries, FITTING // max(1, longest)))
            parts = [left[start : start + step] for start in range(0, len(left), step)]
            found = [self._propose(choices[part], kept[part], tries, rng) for part in parts]
            for part, (solved, rows, _) in zip(parts, found, strict=True):
                result[part[solved]] = rows
            open_ = [part[~solved & able] for part, (solved, _, able) in zip(parts, found, strict=True)]
            left = np.concatenate([left[:0], *open_])
        for k in left.tolist():
            try:
                values = self._backend.draw(rng, restriction_of(self.space, choices[k], kept[k]))
            except SolverTimeoutError:
                continue
            if values is not None:
                result[k] = self.space.row(values)
        return result

    def _propose(
        self, choices: Rows, kept: Kept, tries: int, rng: np.random.Generator
    ) -> tuple[Mask, Rows, Mask]:
        """Which children a proposal satisfied, the rows of these, and which children have a row at all in
        every table.
        """
        drawn, able = self._fitting.draw(choices, kept, tries, rng)
        if not able.any():
            return able, np.empty((0, len(self.space.knobs)), np.int64), able
        alive = self._proposals.survivors(drawn)
        winners, first = np.unique(alive // tries, return_index=True)
        solved = np.zeros(len(able), bool)
        solved[winners] = True
        solved &= able
        chosen = alive[first[able[winners]]]
        return solved, self._proposals.rows(drawn, chosen), able

    @cached_property
    def _fitting(self) -> Fitting:
        return Fitting(self._grouping.tables, self.space.names)

    def _plan(self, restrict: Restriction) -> _Plan:
        kept: list[Mask | None] = [None] * len(self._grouping.tables)
        others: dict[Node, tuple[int, ...]] = {}
        empty = self._grouping.combinations == 0
        for name, allowed in restrict.items():
            node = self.space.expression(Var(name))
            if isinstance(node, Const):
                empty = empty or node.value not in allowed
                continue
            table = self._proposals.table_of(node)
            values = tuple(sorted({int(value) for value in allowed}))
            if table is None:
                others[node] = values
                continue
            mask = np.isin(self._proposals.local_column(node, table), values)
            before = kept[table]
            kept[table] = mask if before is None else before & mask
        subsets = [None if mask is None else np.flatnonzero(mask) for mask in kept]
        empty = empty or any(subset is not None and not len(subset) for subset in subsets)
        empty = empty or any(not values for values in others.values())
        return _Plan(subsets, others, empty)

    def _solved(self, rng: np.random.Generator, restrict: Restriction, empty: bool) -> Rows:
        values = self._backend.draw(rng, restrict)
        if values is None:
            raise SpaceEmptyError(empty_message(self.space, restrict))
        if empty:
            raise SolverBugError(f"the tables hold no row for {dict(restrict)}, but CP-SAT found {values}")
        return self.space.row(values)


def empty_message(space: Space, restrict: Restriction) -> str:
    """The one line that says what was proven empty."""
    within = "".join(f", {name} in {{{', '.join(map(str, sorted(v)))}}}" for name, v in restrict.items())
    return f"the space is empty: no assignment satisfies its {len(space.constraints)} constraints{within}"


def _membership(values: tuple[int, ...]) -> Callable[[Column, Indices], Mask]:
    return lambda column, _: np.isin(column, values)
