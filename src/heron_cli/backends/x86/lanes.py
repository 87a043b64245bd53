"""A register tile whose lanes are a batch: every lane has an input of its own, and nothing is broadcast.

Rows of the input, one for each tap of a group, are shuffled into a vector of words, a word being the taps of
a lane. All points of the tile that read a vector use it before the next one is made: a row of an image is
shuffled once for all rows of the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.x86 import interleave
from heron_cli.backends.x86.operands import Begun, Sums
from heron_cli.backends.x86.stage import Source
from heron_cli.backends.x86.tile import RegisterTile
from heron_cli.schedule.einsum import Axis

_STRAIGHT = 512
"""Dot products of a tile beyond which taps around the groups are loops."""


@dataclass(frozen=True, order=True)
class _Rows:
    """What one vector is made of: where its first row lies, and which of its taps touch data."""

    group: int  # of those that are unrolled together
    place: int  # elements from the tile's first
    taps: tuple[int, ...]


class LaneTile(RegisterTile):
    """Emits the tiles of a nest whose intrinsic computes a dot product for every lane."""

    def reduce(self, reads: Begun, sums: Sums, output: Any) -> Any:
        """All products of a tile; `output` is where its results begin."""
        starts = sums.starts
        looped, straight = self._loops(sums)

        def taps_loop(rest: Sequence[Axis], taps: Mapping[str, Any], depth: int) -> Any:
            if not rest:
                return self.groups_loop(
                    lambda groups, last: self._products(reads, sums, taps, straight, groups, last),
                    lambda g, whole: [] if depth else self.lines(sums, output, g, whole),
                )
            axis, *others = rest

            def body(index: Any) -> Any:
                here = {**taps, axis.name: index}
                inside = self.stage.guard(starts, here, axis.name, sums.case)
                work = tir.when(
                    tir.both(inside, self.has_weight(starts, here, axis.name)),
                    taps_loop(others, here, depth + 1),
                )
                asked = [] if depth else self.lines(sums, output, index, axis.extent)
                return tir.sequence([*asked, work])

            return tir.loop(axis.name, axis.extent, body)

        body = taps_loop(looped, {}, 0)
        return tir.when(tir.both(self.stage.tile_guard(starts), self.has_weight(starts, {}, None)), body)

    def _loops(self, sums: Sums) -> tuple[list[Axis], list[Axis]]:
        """The axes of taps around the groups: loops, where taps are tested or too many, and straight code."""
        around = [axis for axis in self.reduction_order() if axis.name != self.group]
        tests = [*self.stage.tested, *self.left_out]
        looped = [axis for axis in around if any(dim.coefficient(axis.name) for dim in tests)]
        straight = [axis for axis in around if axis not in looped]
        work = len(sums.points) * sums.blocks * self.nest.tilings[self.group].size
        for axis in list(straight):
            if (
                work * prod(each.extent for each in straight) > _STRAIGHT
                and axis.name not in sums.case.static_taps
            ):
                straight.remove(axis)
        return [axis for axis in around if axis not in straight], straight

    def _products(
        self,
        reads: Begun,
        sums: Sums,
        taps: Mapping[str, Any],
        straight: Sequence[Axis],
        groups: Sequence[Any],
        last: bool,
    ) -> Any:
        """The dot products of some groups at fixed outer taps, vector by vector."""
        source = reads.source
        uses: dict[_Rows, list[tuple[int, Any]]] = {}
        for unrolled, g in enumerate(groups):
            for point, rows, inner in self._reads(source, sums, straight, g, unrolled, last):
                step = self.weight.offset({**taps, **inner}, g, sums.blocks)
                uses.setdefault(rows, []).append((point, reads.weight + step))
        starts = [
            reads.input + source.offset({**taps, self.group: self.weight.group_start(g, last)})
            for g in groups
        ]
        columns = [
            source.offset({self.lane: self.column(sums.starts[self.lane] + j)}) for j in range(sums.blocks)
        ]
        length = self.width * self.depth
        statements: list[Any] = []
        for rows in sorted(uses):
            first = starts[rows.group] + rows.place
            statements += self.ahead.inputs(source, first, sums.case)
            for j, column in enumerate(columns):
                made, vector = self._vector(source, first + column, rows.taps)
                statements += made
                words = tir.load(vector, 0, self.width)
                for point, panel in uses[rows]:
                    accumulator = sums.registers[point][j]
                    weights = tir.load(reads.packed, panel + j * length, length)
                    value = self.dot.multiply(tir.load(accumulator, 0, self.width), words, weights)
                    statements.append(tir.store(accumulator, 0, value, self.width))
        return tir.sequence(statements) if statements else tir.nothing()

    def _reads(
        self, source: Source, sums: Sums, straight: Sequence[Axis], g: Any, unrolled: int, last: bool
    ) -> Iterator[tuple[int, _Rows, dict[str, int]]]:
        """Each point of the tile with rows that it reads, and at which of the taps around the group.

        Nothing where all rows are padding.
        """
        case, extent = sums.case, self.nest.tilings[self.group].extent
        begin = self.weight.group_start(g, last)
        for indices in product(*(range(axis.extent) for axis in straight)):
            inner = {axis.name: i for axis, i in zip(straight, indices, strict=True)}
            for p, point in enumerate(sums.points):
                taps = tuple(
                    i
                    for i in range(self.depth)
                    if not (last and (g * self.depth + i) >= extent)
                    and case.valid(point, {**inner, self.group: begin + i})
                )
                if taps:
                    place = source.offset(inner) + source.offset(point)
                    yield p, _Rows(unrolled, place, taps), inner

    def _vector(self, source: Source, place: Any, taps: Sequence[int]) -> tuple[list[Any], Any]:
        """Statements, and the buffer of words in which they leave the taps of every lane."""
        dtype = source.buffer.dtype
        statements: list[Any] = []
        zero = tir.zero(dtype, self.width)
        rows = [zero] * self.depth
        for i in taps:
            at = place + source.offset({self.group: i})
            rows[i] = self._row(source, at, statements)
        words = tir.register("words", "int32", self.width)
        value = interleave.rows(rows, self.width, dtype, statements)
        statements += [tir.allocate_register(words), tir.store(words, 0, value, self.width)]
        return statements, words

    def _row(self, source: Source, at: Any, statements: list[Any]) -> Any:
        """The lanes of one tap; where they do not lie side by side, or not all exist, one by one."""
        step = source.offset({self.lane: 1})
        if step == 1 and self.valid == self.width:
            return tir.load(source.buffer, at, self.width)
        lanes = tir.register("row", source.buffer.dtype, self.width)
        statements += [
            tir.allocate_register(lanes),
            tir.store(lanes, 0, tir.zero(source.buffer.dtype, self.width), self.width),
            *(tir.store(lanes, i, tir.load(source.buffer, at + i * step)) for i in range(self.valid)),
        ]
        return tir.load(lanes, 0, self.width)
