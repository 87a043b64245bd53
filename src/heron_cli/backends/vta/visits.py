"""The order in which a nest visits its tiles, and where each begins: all visits at once, as arrays.

A visit is one round of the loops outside a tile: its number counts spatial tiles, stages of the reduction and
virtual threads, threads innermost.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from heron_cli.backends.vta.layout import Layout
from heron_cli.backends.vta.tiles import Tiles
from heron_cli.schedule.nest import Nest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

Loop = tuple[str, str]  # axis, level


class Visits:
    """The visits of one nest; `shape` is [spatial tiles, stages, threads]."""

    def __init__(self, nest: Nest, tiles: Tiles) -> None:
        self._nest, self._tiles = nest, tiles
        inner, parallel = nest.order[-1][0], nest.parallel
        groups = {axis.name: axis.group for axis in nest.einsum.axes}
        outer = [(a, level) for level, axes in nest.order if level not in (parallel, inner) for a in axes]
        self._loops: tuple[list[Loop], ...] = (
            [loop for loop in outer if groups[loop[0]] != "k"],
            [loop for loop in outer if groups[loop[0]] == "k"],
            [(axis, parallel) for axis in nest.level(parallel)] if parallel else [],
        )
        self.shape = tuple(prod(self._extents(loops)) for loops in self._loops)
        self._indices = [self._indexed(loops) for loops in self._loops]
        self._starts: dict[str, Numbers] = {}

    def lows(self, operand: Layout) -> Numbers:
        """The first block of every dimension that each visit's tile covers, [*shape, dimensions]."""
        found = np.empty((*self.shape, len(operand.dims)), np.int64)
        for place, (offset, moved, block) in enumerate(self._tiles.resolved(operand)):
            total: Numbers = np.full(self.shape, offset, np.int64)
            for axis, coefficient in moved:
                total += coefficient * self._start(axis)
            found[..., place] = total // block
        return found

    def _start(self, axis: str) -> Numbers:
        """First iteration of an axis, [*shape]."""
        if axis not in self._starts:
            steps, step = {}, self._tiles.tile[axis]
            for level, factor in reversed(self._nest.tilings[axis].factors):
                steps[axis, level] = step
                step *= factor
            found: Numbers = np.zeros(self.shape, np.int64)
            for place, indices in enumerate(self._indices):
                view = [1, 1, 1]
                view[place] = self.shape[place]
                for loop, index in indices:
                    if loop in steps:
                        found += (index * steps[loop]).reshape(view)
            self._starts[axis] = found
        return self._starts[axis]

    def _indexed(self, loops: Sequence[Loop]) -> list[tuple[Loop, Numbers]]:
        """The index of every loop in each of their joint iterations, outermost loop first."""
        extents = self._extents(loops)
        inside = prod(extents)
        number = np.arange(inside)
        found = []
        for loop, extent in zip(loops, extents, strict=True):
            inside //= extent
            found.append((loop, number // inside % extent))
        return found

    def _extents(self, loops: Sequence[Loop]) -> list[int]:
        return [self._nest.tilings[axis].factor(level) for axis, level in loops]


def padding(operand: Layout, lengths: Sequence[int], lows: Numbers) -> Numbers:
    """Blocks before and after the data in every dimension of tiles at `lows`, [*tiles, dimensions, 2]."""
    extents = np.array([dim.extent for dim in operand.dims])
    sizes = np.array(lengths)
    return np.stack([np.clip(-lows, 0, sizes), np.clip(lows + sizes - extents, 0, sizes)], axis=-1)
