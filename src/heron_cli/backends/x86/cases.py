"""Which bodies of code a nest needs: tile sizes that differ, and which taps an edge tile may leave out.

Everything that a body knows statically is collected here, so that the emitter only asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from heron_cli.backends import tir
from heron_cli.schedule.einsum import Edge
from heron_cli.schedule.nest import Nest

Table = tuple[tuple[bool, ...], ...]
"""Whether data is touched, by point on the axis of a padded window and by tap."""


@dataclass(frozen=True)
class Case:
    """One body: the number of blocks of every spatial axis, and which (point, tap) pairs touch data."""

    sizes: Mapping[str, int]
    tables: Mapping[Edge, Table] = field(default_factory=dict)

    def size(self, axis: str) -> int:
        """Blocks of an axis in this body."""
        return self.sizes[axis]

    @property
    def static_taps(self) -> tuple[str, ...]:
        """Reduction axes that must be unrolled because what is valid depends on them."""
        return tuple(edge.tap for edge in self.tables)

    def valid(self, at: Mapping[str, int], taps: Mapping[str, Any]) -> bool:
        """Whether an output point of the tile reads data (not padding) at these taps."""
        return all(table[at[edge.axis]][taps[edge.tap]] for edge, table in self.tables.items())

    def any_valid(self, taps: Mapping[str, Any], points: Sequence[Mapping[str, int]]) -> bool:
        """Whether any point of the tile reads data at these taps."""
        if not taps.keys() >= set(self.static_taps):
            return True
        return any(self.valid(point, taps) for point in points)


class Cases:
    """The bodies of a nest and the tests that pick one."""

    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        self.edges = {edge.axis: edge for edge in nest.edges}

    def start(self, axis: str, tile: Any) -> Any:
        """First iteration of a tile, the last block shifted back; for the axis of lanes, its first block."""
        tiling = self.nest.tilings[axis]
        block = tile * tiling.base
        if tiling.longer:
            block = block + tir.minimum(tile, tiling.longer)
        if axis == self.nest.lane:
            return block
        if tiling.extent % tiling.unit == 0:
            return block * tiling.unit
        return tir.minimum(block * tiling.unit, max(tiling.extent - tiling.unit, 0))

    def _row(self, axis: str, tile: int) -> tuple[int, Table]:
        tiling = self.nest.tilings[axis]
        size = tiling.tile_blocks(tile)
        edge = self.edges.get(axis)
        if edge is None:
            return size, ()
        dim, first = edge.dim, tiling.first_block(tile)
        step, tap_step = dim.coefficient(axis), dim.coefficient(edge.tap)
        taps = range(self.nest.einsum.axis(edge.tap).extent)
        return size, tuple(
            tuple(0 <= (first + i) * step + t * tap_step + dim.offset < dim.extent for t in taps)
            for i in range(size)
        )

    def axis_cases(self, axis: str) -> list[tuple[int, int, Table]]:
        """Runs of equal tiles along an axis as (end tile, blocks, validity table)."""
        tiles = range(self.nest.tilings[axis].tiles)
        runs = []
        for (size, table), members in groupby(tiles, key=lambda tile: self._row(axis, tile)):
            runs.append((max(members) + 1, size, table))
        return runs

    def dispatch(self, tiles: Mapping[str, Any], body: Callable[[Case], Any]) -> Any:
        """Tests on the tile indices, one body of code for every combination of cases."""
        axes = [axis.name for axis in self.nest.einsum.spatial]

        def choose(rest: Sequence[str], sizes: Mapping[str, int], tables: Mapping[Edge, Table]) -> Any:
            if not rest:
                return body(Case(sizes, tables))
            axis, *others = rest
            runs = self.axis_cases(axis)
            chosen = [
                choose(
                    others,
                    {**sizes, axis: size},
                    {**tables, self.edges[axis]: rows} if axis in self.edges else tables,
                )
                for _, size, rows in runs
            ]
            statement = chosen[-1]
            for (end, _, _), code in zip(reversed(runs[:-1]), reversed(chosen[:-1]), strict=True):
                statement = tir.branch(tir.number(tiles.get(axis, 0)) < end, code, statement)
            return statement

        return choose(axes, {}, {})
