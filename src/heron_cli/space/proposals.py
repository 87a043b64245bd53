"""Staged rejection: combinations of table rows, filtered by one coupling condition after the other.

Conditions over few combinations are looked up (`lookup.py`). The others run after these in the order that
rejects most for the least work, and each sees only what the earlier ones left; sub-expressions over one table
alone are computed once per table and then only gathered. The outcome does not depend on that order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from heron_cli.space.columns import Column, Columns
from heron_cli.space.expression import Boolean, Const, Node, Var
from heron_cli.space.lookup import lookups
from heron_cli.space.resolve import support
from heron_cli.space.space import Rows, Space
from heron_cli.space.tables import Grouping

Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_PILOT = 8192


class Proposals:
    """The filter over one grouping. Proposals are a list of row indices, int64 [n], one per table.

    `acceptance` is the share of valid proposals that a pilot sample saw.
    """

    def __init__(self, space: Space, grouping: Grouping):
        self.grouping = grouping
        self._space = space
        self._table_of = {name: k for k, table in enumerate(grouping.tables) for name in table.names}
        self._local: dict[Node, Column] = {}
        self._risky = grouping.risky
        self._lookups, left = lookups(grouping, self.local_column)
        self._stages: tuple[Boolean, ...] = tuple(left)
        self.acceptance = 0.0
        self._prepare()
        if grouping.combinations:
            self._order()

    def table_of(self, node: Node) -> int | None:
        """The table whose knobs alone the tree depends on, or None."""
        tables = {self._table_of[name] for name in support(node)}
        return tables.pop() if len(tables) == 1 else None

    def local_column(self, node: Node, table: int) -> Column:
        """The tree's value for each row of the table; the tree depends on that table alone."""
        column = self._local.get(node)
        if column is None:
            source = self.grouping.tables[table]
            reader = Columns(source.column, self._risky)
            column = self._local[node] = np.ascontiguousarray(np.broadcast_to(reader.of(node), len(source)))
        return column

    def random(self, n: int, rng: np.random.Generator, subsets: Sequence[Indices | None]) -> list[Indices]:
        """`n` independent proposals, uniform over each table or, where given, over a subset of its rows."""
        drawn = []
        for table, subset in zip(self.grouping.tables, subsets, strict=True):
            index = rng.integers(0, len(table) if subset is None else len(subset), n)
            drawn.append(index if subset is None else subset[index])
        return drawn

    def survivors(
        self, drawn: Sequence[Indices], extra: Sequence[tuple[Node, Callable[[Column, Indices], Mask]]] = ()
    ) -> Indices:
        """The positions of the valid proposals, ascending.

        `extra` adds tests on trees: each gets the tree's column and the positions it belongs to.
        """
        alive = self._looked_up(drawn)
        reader = self._reader(drawn, alive)
        for k, condition in enumerate(self._stages):
            mask = np.broadcast_to(reader.of(condition), len(alive))
            if mask.all():
                continue
            rows = np.flatnonzero(mask)
            alive = alive[rows]
            if not len(alive):
                return alive
            narrowed = self._reader(drawn, alive)
            narrowed.adopt(reader, self._reused[k], rows)
            reader = narrowed
        for node, test in extra:
            column = np.broadcast_to(reader.of(node), len(alive))
            alive = alive[test(column, alive)]
            reader = self._reader(drawn, alive)
        return alive

    def _looked_up(self, drawn: Sequence[Indices]) -> Indices:
        """The positions of the proposals that the look-ups allow, ascending."""
        allowed = np.ones(len(drawn[0]), np.bool_)
        for lookup in self._lookups:
            allowed &= lookup.holds(drawn)
        return np.flatnonzero(allowed)

    def rows(self, drawn: Sequence[Indices], chosen: Indices) -> Rows:
        """The rows of the chosen proposals, in the column order of the space."""
        result = np.empty((len(chosen), len(self._space.knobs)), np.int64)
        position = {name: k for k, name in enumerate(self._space.names)}
        for table, index in zip(self.grouping.tables, drawn, strict=True):
            result[:, [position[name] for name in table.names]] = table.rows[index[chosen]]
        return result

    def _reader(self, drawn: Sequence[Indices], alive: Indices) -> Columns:
        chosen: dict[int, Indices] = {}
        everything = len(alive) == len(drawn[0])

        def leaf(node: Node) -> Column | None:
            table = self._leaves.get(node)
            if table is None:
                table = self.table_of(node) if isinstance(node, Var) else None
            if table is None:
                return None
            if table not in chosen:
                chosen[table] = drawn[table] if everything else drawn[table][alive]
            return self.local_column(node, table)[chosen[table]]

        return Columns(leaf, self._risky)

    def _prepare(self) -> None:
        """Find the maximal sub-expressions over one table, and what each stage hands to later ones."""
        self._leaves: dict[Node, int] = {}
        stack: list[Node] = list(self._stages)
        seen: set[Node] = set()
        while stack:
            node = stack.pop()
            if node in seen or isinstance(node, Const):
                continue
            seen.add(node)
            table = self.table_of(node)
            if table is None:
                stack.extend(node.children())
            else:
                self._leaves[node] = table
        nodes = [self._computed(stage) for stage in self._stages]
        self._reused: list[tuple[Node, ...]] = []
        for k in range(len(nodes)):
            earlier = frozenset().union(*nodes[: k + 1])
            wanted: dict[Node, None] = {}
            for later, stage in zip(nodes[k + 1 :], self._stages[k + 1 :], strict=True):
                for node in later - earlier:
                    wanted.update(dict.fromkeys(child for child in node.children() if child in earlier))
                if stage in earlier:
                    wanted[stage] = None
            self._reused.append(tuple(wanted))

    def _computed(self, stage: Boolean) -> frozenset[Node]:
        """The nodes that a stage computes rather than gathers."""
        found: set[Node] = set()
        stack: list[Node] = [stage]
        while stack:
            node = stack.pop()
            if node not in found and node not in self._leaves and not isinstance(node, Const):
                found.add(node)
                stack.extend(node.children())
        return frozenset(found)

    def _order(self) -> None:
        """Sort the stages by rejection per unit of work, as a fixed pilot sample shows them."""
        pilot = self.random(_PILOT, np.random.default_rng(0), [None] * len(self.grouping.tables))
        reader = self._reader(pilot, np.arange(_PILOT))
        alive = np.zeros(_PILOT, bool)
        alive[self._looked_up(pilot)] = True
        left = list(self._stages)
        ordered: list[Boolean] = []
        done: set[Node] = set()
        masks = {stage: np.broadcast_to(reader.of(stage), _PILOT) for stage in left}
        while left:
            count = max(int(alive.sum()), 1)
            rejected = [1.0 - float((masks[stage] & alive).sum()) / count for stage in left]
            work = [1 + len(self._computed(stage) - done) for stage in left]
            ranks = [(share + 1e-3) / cost for share, cost in zip(rejected, work, strict=True)]
            best = left[int(np.argmax(ranks))]
            left.remove(best)
            ordered.append(best)
            done |= self._computed(best)
            alive = alive & masks[best]
        self._stages = tuple(ordered)
        self._prepare()
        self.acceptance = float(alive.mean())
