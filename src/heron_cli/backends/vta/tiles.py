"""The geometry of tiles: which blocks of an operand a tile covers, and what a loop within it moves."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from heron_cli.backends.vta.errors import ProgramError
from heron_cli.backends.vta.layout import BlockDim, Layout
from heron_cli.backends.vta.transfers import Span
from heron_cli.schedule.einsum import tile_length
from heron_cli.schedule.nest import Nest


class Tiles:
    """The tiles of one nest; all of them have the same size."""

    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        self.einsum = nest.einsum
        self.tile = {name: tiling.unit * tiling.size for name, tiling in nest.tilings.items()}
        # by the identity of layouts, which live as long as the nest's program is generated
        self._lengths: dict[int, tuple[int, ...]] = {}

    def lengths(self, operand: Layout) -> tuple[int, ...]:
        """Blocks of every dimension that a tile covers (C4), in the order of DRAM."""
        known = self._lengths.get(id(operand))
        if known is None:
            known = tuple(-(-tile_length(dim.dim, self._moving(dim)) // dim.block) for dim in operand.dims)
            self._lengths[id(operand)] = known
        return known

    def _moving(self, dim: BlockDim) -> dict[str, int]:
        return {name: self._extent(name) for name, _ in dim.dim.terms}

    def _extent(self, name: str) -> int:
        """Iterations of an axis, or of a part of one, in a tile."""
        if name in self.tile:
            return self.tile[name]
        axis = next(axis for axis in self.einsum.axes if any(part.name == name for part in axis.parts))
        if len(axis.parts) > 1:
            raise ProgramError(f"axis {axis.name} is fused, so its parts have no tiles")
        return self.tile[axis.name]

    def tile_elements(self, operand: Layout) -> int:
        """Elements of a tile in a scratch-pad."""
        return prod(self.lengths(operand))

    def resolved(self, operand: Layout) -> list[tuple[int, list[tuple[str, int]], int]]:
        """Of every dimension its offset, the (axis, coefficient)s that move it, and its block.

        The first coordinate that a tile covers is offset + Σ coefficient · first iteration of the axis; an
        axis that the dimension falls along reaches its low end last.
        """
        return [self._resolved(dim) for dim in operand.dims]

    def _resolved(self, dim: BlockDim) -> tuple[int, list[tuple[str, int]], int]:
        offset = dim.dim.offset + sum(min(0, c * (self._extent(name) - 1)) for name, c in dim.dim.terms)
        return offset, [(self._axis(name), c) for name, c in dim.dim.terms], dim.block

    def spans(self, operand: Layout, lows: Sequence[int]) -> list[Span]:
        """The blocks from `lows` on that a tile covers, in the order of DRAM."""
        dims = zip(operand.dims, lows, self.lengths(operand), strict=True)
        return [Span(low, n, dim.extent, operand.stride(i)) for i, (dim, low, n) in enumerate(dims)]

    def _axis(self, name: str) -> str:
        if name in self.tile:
            return name
        return next(a.name for a in self.einsum.axes if any(part.name == name for part in a.parts))

    def strides(self, operand: Layout, axis: str) -> int:
        """Scratch-pad elements that one block of an axis moves within a tile."""
        lengths = self.lengths(operand)
        unit = self.nest.tilings[axis].unit
        names = {axis} | {part.name for part in self.einsum.axis(axis).parts}
        total = 0
        for i, dim in enumerate(operand.dims):
            stride = prod(lengths[i + 1 :])
            for name in names & {name for name, _ in dim.dim.terms}:
                total += dim.coefficient(name, unit) * stride
        return total

    def moves(self, axis: str, dim: BlockDim) -> bool:
        """Whether an axis moves along a dimension."""
        names = {axis} | {part.name for part in self.einsum.axis(axis).parts}
        return any(name in names for name, _ in dim.dim.terms)
