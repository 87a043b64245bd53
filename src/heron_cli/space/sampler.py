"""The table sampler: exactly uniform, tens to hundreds of thousands of valid rows a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from heron_cli.errors import SpaceEmptyError
from heron_cli.space.columns import Column
from heron_cli.space.cpsat import CpBackend
from heron_cli.space.expression import Const, Node, Var
from heron_cli.space.faults import SolverBugError, SolverTimeoutError
from heron_cli.space.proposals import Indices, Mask, Proposals
from heron_cli.space.protocol import FREE, Restriction
from heron_cli.space.space import Rows, Space
from heron_cli.space.tables import group

BATCH = 1 << 15
"""Most proposals judged at a time: more would leave the cache."""
PATIENCE = 1 << 20
"""Proposals drawn, besides PATIENCE_PER_ROW for each row wanted, before the solver takes over."""
PATIENCE_PER_ROW = 4096
TRIES = 128
"""Proposals for each offspring before the solver takes over."""


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
        self._places: dict[str, tuple[Node, int | None]] = {}

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
        plan = self._plan(restrict, {})
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

    def offspring(
        self,
        restrictions: Sequence[Restriction],
        fallbacks: Sequence[Rows],
        rng: np.random.Generator,
    ) -> Rows:
        """One valid row per restriction, int64 [len(restrictions), knobs].

        TRIES proposals each for the whole generation at once, uniform within the restriction; then the
        solver; then, where there provably is nothing or the solver gives up, the fallback.
        """
        result = np.array(fallbacks, np.int64).reshape(len(restrictions), len(self.space.knobs))
        masks: dict[tuple[str, int], Mask] = {}
        plans = [self._plan(restriction, masks) for restriction in restrictions]
        open_ = [k for k, plan in enumerate(plans) if not plan.empty]
        solved: set[int] = set()
        step = max(1, BATCH // TRIES)
        for start in range(0, len(open_), step):
            owners = open_[start : start + step]
            solved.update(self._reject([plans[k] for k in owners], owners, rng, result))
        for k, restriction in enumerate(restrictions):
            if k not in solved:
                try:
                    values = self._backend.draw(rng, restriction)
                except SolverTimeoutError:
                    continue
                if values is not None:
                    result[k] = self.space.row(values)
        return result

    def _reject(
        self, plans: list[_Plan], owners: list[int], rng: np.random.Generator, result: Rows
    ) -> list[int]:
        """Fill the rows of `result` for which a proposal is valid; the owners of these rows."""
        drawn: list[Indices] = []
        for t, table in enumerate(self._grouping.tables):
            subsets = [plan.subsets[t] for plan in plans]
            sizes = [len(table) if subset is None else len(subset) for subset in subsets]
            index = rng.integers(0, np.repeat(sizes, TRIES))
            for k, subset in enumerate(subsets):
                if subset is not None:
                    own = slice(k * TRIES, (k + 1) * TRIES)
                    index[own] = subset[index[own]]
            drawn.append(index)
        allowed: dict[Node, dict[int, tuple[int, ...]]] = {}
        for k, plan in enumerate(plans):
            for node, values in plan.others.items():
                allowed.setdefault(node, {})[k] = values
        tests = [(node, _membership_by_owner(values, len(plans))) for node, values in allowed.items()]
        alive = self._proposals.survivors(drawn, tests)
        winners, first = np.unique(alive // TRIES, return_index=True)
        chosen = [owners[k] for k in winners.tolist()]
        result[chosen] = self._proposals.rows(drawn, alive[first])
        return chosen

    def _plan(self, restrict: Restriction, masks: dict[tuple[str, int], Mask]) -> _Plan:
        kept: list[Mask | None] = [None] * len(self._grouping.tables)
        others: dict[Node, tuple[int, ...]] = {}
        empty = self._grouping.combinations == 0
        for name, allowed in restrict.items():
            node, table = self._located(name)
            if isinstance(node, Const):
                empty = empty or node.value not in allowed
                continue
            values = tuple(sorted({int(value) for value in allowed}))
            if table is None:
                others[node] = values
                continue
            column = self._proposals.local_column(node, table)
            mask = np.zeros(len(column), bool)
            for value in values:
                if (name, value) not in masks:
                    masks[name, value] = column == value
                mask = mask | masks[name, value]
            before = kept[table]
            kept[table] = mask if before is None else before & mask
        subsets = [None if mask is None else np.flatnonzero(mask) for mask in kept]
        empty = empty or any(subset is not None and not len(subset) for subset in subsets)
        empty = empty or any(not values for values in others.values())
        return _Plan(subsets, others, empty)

    def _located(self, name: str) -> tuple[Node, int | None]:
        """What a variable stands for, and the table that holds it, if one does: asked for every child anew."""
        if name not in self._places:
            node = self.space.expression(Var(name))
            table = None if isinstance(node, Const) else self._proposals.table_of(node)
            self._places[name] = node, table
        return self._places[name]

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


def _membership_by_owner(
    values: Mapping[int, tuple[int, ...]], owners: int
) -> Callable[[Column, Indices], Mask]:
    """A test whose allowed values depend on whose proposal it is; owners that are absent allow all."""
    width = max(map(len, values.values()))
    table = np.zeros((owners, width), np.int64)
    free = np.ones(owners, bool)
    for owner, allowed in values.items():
        table[owner] = np.resize(allowed, width)
        free[owner] = False

    def test(column: Column, positions: Indices) -> Mask:
        owner = positions // TRIES
        result: Mask = free[owner] | (column[:, None] == table[owner]).any(axis=1)
        return result

    return test
