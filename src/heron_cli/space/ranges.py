"""Which values a sub-expression can take: exactly where few knobs are involved, else an interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

import numpy as np

from heron_cli.space.columns import Column, operation
from heron_cli.space.expression import Expression, Node, Var
from heron_cli.space.interval import LIMIT, Cap, IntervalAnalysis
from heron_cli.space.resolve import support
from heron_cli.space.space import Space

GRID = 4096
"""A sub-expression is evaluated on every combination of its knobs' values up to this many."""
VALUES = 1024
"""More distinct values than this are kept as an interval only."""
_CLOSE = 1 << 16  # values no further apart than this are sooner marked than sorted


class Ranges:
    """The values of resolved trees over the domains of a space; `caps` narrow what is kept as an interval."""

    def __init__(self, space: Space, caps: Iterable[Cap]):
        self._domains = space.domains
        self._risky = space.risky
        self._analysis = IntervalAnalysis(space.box, caps)
        self._known: dict[Node, tuple[int, ...] | None] = {}
        self._bounds: dict[Expression, tuple[int, int]] = {}
        self._grids: dict[Node, Column] = {}

    def bounds(self, node: Expression) -> tuple[int, int]:
        """The least and the greatest value, cut at plus and minus LIMIT."""
        known = self._bounds.get(node)
        if known is None:
            known = self._bounds[node] = self._narrowest(node)
        return known

    def _narrowest(self, node: Expression) -> tuple[int, int]:
        low, high = self._analysis.of(node)
        least, greatest = max(float(low), -LIMIT), min(float(high), LIMIT)
        values = self.values(node)
        if values and max(least, values[0]) <= min(greatest, values[-1]):
            return max(int(least), values[0]), min(int(greatest), values[-1])
        return int(least), int(greatest)

    def values(self, node: Expression) -> tuple[int, ...] | None:
        """Every value that the tree takes over its knobs' domains, or None when there are too many."""
        if node not in self._known:
            small = prod(len(self._domains[name]) for name in support(node)) <= GRID
            distinct = _distinct(self.grid(node)).tolist() if small else []
            self._known[node] = tuple(distinct) if 0 < len(distinct) <= VALUES else None
        return self._known[node]

    def grid(self, node: Node) -> Column:
        """The tree's value for every combination of its knobs' values, [values of each knob], in the order of
        the knobs' names. Parts are computed over their own knobs alone.
        """
        known = self._grids.get(node)
        if known is None:
            names = sorted(support(node))
            if isinstance(node, Var):
                known = np.array(self._domains[node.name], np.int64)
            else:
                parts = [self._along(names, child) for child in node.children()]
                known = operation(node, self._risky)(*parts)
                shape = tuple(len(self._domains[name]) for name in names)
                known = known if known.shape == shape else np.broadcast_to(known, shape)
            self._grids[node] = known
        return known

    def _along(self, names: Sequence[str], node: Node) -> Column:
        """The grid of a part of a tree over more knobs, to be broadcast."""
        own = support(node)
        return self.grid(node).reshape([len(self._domains[name]) if name in own else 1 for name in names])


def _distinct(column: Column) -> Column:
    """The distinct values, ascending: as `numpy.unique`, without sorting where they lie close together."""
    low, high = int(column.min()), int(column.max())
    if high - low > _CLOSE:
        return np.unique(column)
    seen = np.zeros(high - low + 1, np.bool_)
    seen[column - low] = True
    return np.flatnonzero(seen) + low
