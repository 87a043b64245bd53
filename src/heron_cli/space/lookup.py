"""Coupling conditions as look-up tables: a bit for each combination of the rows of a few tables.

A condition depends on the rows of few tables, so it is evaluated once on all their combinations, and a
proposal is judged by its place. Numpy's broadcasting keeps each part of it at the combinations of the tables
that this part depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from heron_cli.space.columns import Column, Columns
from heron_cli.space.expression import Boolean, Node
from heron_cli.space.resolve import support
from heron_cli.space.tables import Grouping

CELLS = 1 << 18
"""Most combinations on which a condition is evaluated; milliseconds."""
JOINED = 1 << 20
"""Most combinations of a look-up that several conditions share; it stays in the processor's cache."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Lookup:
    """Which combinations of the rows of these tables, `valid` [rows of each], some conditions allow."""

    tables: tuple[int, ...]
    valid: Mask

    def holds(self, drawn: Sequence[npt.NDArray[np.int64]]) -> Mask:
        """Which proposals, a row of every table each [n], are allowed, [n]."""
        found: Mask = self.valid[tuple(drawn[table] for table in self.tables)]
        return found


def lookups(grouping: Grouping, local: Callable[[Node, int], Column]) -> tuple[list[Lookup], list[Boolean]]:
    """Few look-ups that hold as many of the coupling conditions as they can, and the conditions left over.

    `local` gives the column of a tree over one table.
    """
    sizes = [len(table) for table in grouping.tables]
    table_of = {name: k for k, table in enumerate(grouping.tables) for name in table.names}

    def tables_of(node: Node) -> frozenset[int]:
        return frozenset(table_of[name] for name in support(node))

    def cells(tables: Iterable[int]) -> int:
        return prod(sizes[table] for table in tables)

    def leaf(node: Node) -> Column | None:
        tables = tables_of(node)
        if len(tables) != 1:
            return None
        (table,) = tables
        return local(node, table).reshape([-1 if k == table else 1 for k in range(len(sizes))])

    grid = Columns(leaf, grouping.risky)
    left: list[Boolean] = []
    joined: list[tuple[frozenset[int], Mask]] = []
    for condition in sorted(grouping.coupling, key=lambda condition: cells(tables_of(condition))):
        tables = tables_of(condition)
        if cells(tables) > CELLS:
            left.append(condition)
            continue
        mask = np.asarray(grid.of(condition), np.bool_)
        for place, (others, other) in enumerate(joined):
            if cells(tables | others) <= JOINED:
                joined[place] = tables | others, mask & other
                break
        else:
            joined.append((tables, mask))
    return [_lookup(tables, mask, sizes) for tables, mask in joined], left


def _lookup(tables: frozenset[int], mask: Mask, sizes: Sequence[int]) -> Lookup:
    shape = [size if k in tables else 1 for k, size in enumerate(sizes)]
    ordered = tuple(sorted(tables))
    return Lookup(ordered, np.broadcast_to(mask, shape).reshape([sizes[table] for table in ordered]))
