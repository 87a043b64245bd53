"""Which values a sub-expression can take: exactly where few knobs are involved, else an interval."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np

from heron_cli.space.columns import Column, Columns
from heron_cli.space.expression import Expression, Node, Var
from heron_cli.space.interval import LIMIT, Cap, IntervalAnalysis
from heron_cli.space.resolve import support
from heron_cli.space.space import Space

GRID = 4096
"""A sub-expression is evaluated on every combination of its knobs' values up to this many."""
VALUES = 1024
"""More distinct values than this are kept as an interval only."""


class Ranges:
    """The values of resolved trees over the domains of a space; `caps` narrow what is kept as an interval."""

    def __init__(self, space: Space, caps: Iterable[Cap]):
        self._domains = space.domains
        self._risky = space.risky
        self._analysis = IntervalAnalysis(space.box, caps)
        self._known: dict[Node, tuple[int, ...] | None] = {}
        self._grids: dict[tuple[str, ...], Columns] = {}  # trees over the same knobs share their parts

    def bounds(self, node: Expression) -> tuple[int, int]:
        """The least and the greatest value, cut at plus and minus LIMIT."""
        low, high = self._analysis.of(node)
        least, greatest = max(float(np.min(low)), -LIMIT), min(float(np.max(high)), LIMIT)
        values = self.values(node)
        if values and max(least, values[0]) <= min(greatest, values[-1]):
            return max(int(least), values[0]), min(int(greatest), values[-1])
        return int(least), int(greatest)

    def values(self, node: Expression) -> tuple[int, ...] | None:
        """Every value that the tree takes over its knobs' domains, or None when there are too many."""
        if node not in self._known:
            names = sorted(support(node))
            small = prod(len(self._domains[name]) for name in names) <= GRID
            distinct = np.unique(self.grid(node, names)) if small else np.arange(VALUES + 1)
            self._known[node] = tuple(distinct.tolist()) if len(distinct) <= VALUES else None
        return self._known[node]

    def grid(self, node: Expression, names: list[str]) -> Column:
        """The tree's value for every combination of these knobs' values, the last name changing fastest."""
        key = tuple(names)
        if key not in self._grids:
            axes = np.meshgrid(*(np.array(self._domains[name], np.int64) for name in names), indexing="ij")
            columns = {Var(name): axis.ravel() for name, axis in zip(names, axes, strict=True)}
            self._grids[key] = Columns(
                lambda part: columns.get(part) if isinstance(part, Var) else None, self._risky
            )
        return np.atleast_1d(self._grids[key].of(node))
