"""Tables of knob tuples: the knobs of a space partitioned into groups, each group's tuples listed once.

Drawing a row of each table independently and keeping the valid combinations is exactly uniform over the
space, whatever the grouping, because every valid assignment is one combination of table rows. The grouping
only decides how many combinations are valid: equalities (the factors of one axis) must lie within a group,
and inequalities should where the joined table stays small.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from heron_cli.space.columns import Columns, Risky
from heron_cli.space.expression import All, Boolean, CeilDiv, Compare, Const, FloorDiv, Modulo, Node, Var
from heron_cli.space.interval import Bound, IntervalAnalysis, Range
from heron_cli.space.resolve import support, walk
from heron_cli.space.space import Rows, Space

EQUALITY_CAP = 1 << 21
"""Most rows met while the knobs of an equality are joined; an equality that needs more stays a filter."""
JOIN_CAP = 1 << 17
"""Most rows of a product of tables that an inequality may join."""
WORTHWHILE = 0.8
"""An inequality that keeps more than this share of a product of tables does not join them."""


@dataclass(frozen=True)
class Table:
    """The tuples of some knobs that satisfy every constraint on these knobs alone; rows are distinct."""

    names: tuple[str, ...]
    rows: Rows  # [n, len(names)]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, which: npt.NDArray[np.bool_]) -> Table:
        """The table with the rows where `which`, bool [n], is true."""
        return Table(self.names, self.rows[which])

    def cross(self, other: Table) -> Table:
        """Every row of this table with every row of the other."""
        left = np.repeat(self.rows, len(other), axis=0)
        right = np.tile(other.rows, (len(self), 1))
        return Table(self.names + other.names, np.concatenate((left, right), axis=1))

    def column(self, node: Node) -> Rows | None:
        """The column of a knob of this table, None for any other node."""
        if isinstance(node, Var) and node.name in self.names:
            return self.rows[:, self.names.index(node.name)]
        return None

    @cached_property
    def box(self) -> dict[str, Range]:
        """The least and the greatest value of each knob."""
        low, high = self.rows.min(axis=0).tolist(), self.rows.max(axis=0).tolist()
        return {name: (float(a), float(b)) for name, a, b in zip(self.names, low, high, strict=True)}


@dataclass(frozen=True)
class Grouping:
    """Tables that partition the knobs, and the conditions that no table settles."""

    tables: tuple[Table, ...]
    coupling: tuple[Boolean, ...]
    risky: Risky

    @property
    def combinations(self) -> int:
        """How many combinations of table rows there are; 0 when a table is empty."""
        result = 1
        for table in self.tables:
            result *= len(table)
        return result


def group(space: Space) -> Grouping:
    """Partition the knobs of a space into tables, each pruned by what its rows can still reach."""
    return _Grouper(space).run()


def conjuncts(conditions: Iterable[Boolean]) -> tuple[Boolean, ...]:
    """The conditions with their conjunctions taken apart, without duplicates."""
    found: dict[Boolean, None] = {}
    for condition in conditions:
        found.update(dict.fromkeys(condition.items if isinstance(condition, All) else (condition,)))
    return tuple(found)


class _Grouper:
    def __init__(self, space: Space):
        self._pending = list(conjuncts(space.conditions))
        self._risky = space.risky
        knobs = [Table((k.name,), np.array(k.values, np.int64)[:, None]) for k in space.knobs]
        self._tables = {table.names[0]: table for table in knobs}  # by any knob's name
        self._declined: set[tuple[Boolean, tuple[int, ...]]] = set()  # joins not worthwhile, with their sizes

    def run(self) -> Grouping:
        self._settle()
        equalities = [c for c in self._pending if _is_equality(c)]
        for condition in sorted(equalities, key=lambda c: (len(support(c)), self._combinations(c))):
            self._merge_equality(condition)
        self._prune()
        while self._merge_inequality():
            pass
        self._prune()
        tables = tuple({id(t): t for t in self._tables.values()}.values())
        return Grouping(tables, tuple(self._pending), self._risky)

    def _involved(self, condition: Boolean) -> list[Table]:
        found = {id(self._tables[name]): self._tables[name] for name in sorted(support(condition))}
        return list(found.values())

    def _combinations(self, condition: Boolean) -> int:
        result = 1
        for table in self._involved(condition):
            result *= len(table)
        return result

    def _replace(self, table: Table) -> None:
        self._tables.update(dict.fromkeys(table.names, table))

    def _settle(self) -> None:
        """Filter tables by every pending condition that lies within one, and drop it from the pending."""
        left = []
        for condition in self._pending:
            tables = self._involved(condition)
            if len(tables) > 1:
                left.append(condition)
            elif tables:
                self._replace(tables[0].take(holds(condition, tables[0], self._risky)))
            elif not np.all(Columns(lambda _: None, self._risky).of(condition)):
                self._tables = {
                    name: table.take(np.zeros(len(table), bool)) for name, table in self._tables.items()
                }
        self._pending = left

    def _merge_equality(self, condition: Boolean) -> None:
        tables = self._involved(condition)
        if len(tables) < 2:
            self._settle()
            return
        # Divisors first: once they are known, the other side of a tail equality is a number.
        divisors = frozenset().union(*map(_divisor_names, walk([condition])))
        tables.sort(key=lambda t: (divisors.isdisjoint(t.names), len(t), t.names))
        names = frozenset().union(*(t.names for t in tables))
        relevant = [c for c in self._pending if support(c) <= names]
        joined = tables[0]
        for k, table in enumerate(tables[1:], 2):
            if len(joined) * len(table) > EQUALITY_CAP:
                return
            joined = joined.cross(table)
            for other in relevant:
                if not support(other).isdisjoint(table.names):
                    joined = joined.take(possible(other, joined, tables[k:]))
        self._replace(joined)
        self._settle()

    def _merge_inequality(self) -> bool:
        """Join the tables of the worthwhile inequality with the smallest product; False if there is none."""
        candidates = [(self._combinations(c), k) for k, c in enumerate(self._pending)]
        for size, k in sorted(candidates):
            if size > JOIN_CAP:
                return False
            condition = self._pending[k]
            tables = self._involved(condition)
            attempt = condition, tuple(map(len, tables))
            if attempt in self._declined:
                continue
            joined = tables[0]
            for table in tables[1:]:
                joined = joined.cross(table)
            kept = holds(condition, joined, self._risky)
            if np.count_nonzero(kept) <= WORTHWHILE * size:
                self._replace(joined.take(kept))
                self._settle()
                return True
            self._declined.add(attempt)
        return False

    def _prune(self) -> None:
        """Drop rows that no combination with the other tables' rows can make valid."""
        for condition in self._pending:
            for table in self._involved(condition):
                others = [other for other in self._involved(condition) if other is not table]
                if all(len(t) for t in (table, *others)):
                    self._replace(table.take(possible(condition, table, others)))


def _is_equality(condition: Boolean) -> bool:
    """Whether few combinations can satisfy a condition; a divisibility counts as an inequality."""
    match condition:
        case Compare("==", Modulo(), Const(0)):
            return False
        case Compare("=="):
            return True
    return False


def _divisor_names(node: Node) -> frozenset[str]:
    return support(node.right) if isinstance(node, FloorDiv | CeilDiv | Modulo) else frozenset()


def holds(condition: Boolean, table: Table, risky: Risky) -> npt.NDArray[np.bool_]:
    """Which rows of a table satisfy a condition on its knobs, bool [n]."""
    return np.broadcast_to(Columns(table.column, risky).of(condition), len(table))


def possible(condition: Boolean, table: Table, others: Sequence[Table]) -> npt.NDArray[np.bool_]:
    """Which rows a condition leaves possible while the knobs of the other tables are unknown, bool [n]."""
    box: dict[str, tuple[Bound, Bound]] = {}
    for other in others:
        if not len(other):
            return np.zeros(len(table), bool)
        box.update(other.box)
    for k, name in enumerate(table.names):
        column = table.rows[:, k].astype(np.float64)
        box[name] = column, column
    return np.broadcast_to(np.asarray(IntervalAnalysis(box).of(condition)[1]) > 0, len(table))
