"""Nest → TIR for CPUs with a 4-way byte dot product: one register tile, specialised for every case.

The accumulators are one small buffer per vector, so LLVM promotes each of them to a register by itself
and several bodies of code (long and short tiles, edge tiles) live in one function without spills.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.x86 import inline
from heron_cli.backends.x86.cases import Case, Cases
from heron_cli.backends.x86.finish import Finish
from heron_cli.backends.x86.pack import PackedWeight
from heron_cli.backends.x86.stage import InputStage, Source
from heron_cli.elements import BYTES
from heron_cli.schedule.einsum import Axis
from heron_cli.schedule.nest import ROOT, STREAMED, Loop, Nest


@dataclass(frozen=True)
class _Point:
    """One output point of a register tile: how far it lies from the tile's first one on every axis."""

    at: Mapping[str, int]


class KernelEmitter:
    """Emits the kernel of one nest. Use `emit`."""

    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        self.einsum = nest.einsum
        lane, group = nest.intrinsic["n"], nest.intrinsic["k"]
        assert lane is not None and group is not None
        self.lane, self.group = lane, group
        self.weight = PackedWeight(nest)
        self.stage = InputStage(nest)
        self.cases = Cases(nest)
        self.accumulate = self.einsum.accumulate
        self.width, self.depth = self.weight.width, self.weight.depth
        self.streamed = nest.store == STREAMED
        types = (self.einsum.input.dtype, self.einsum.weight.dtype)
        self.inlined = any(inline.carrier(dtype) != dtype for dtype in types)
        covered = {lane, group}
        self.left_out = [d for d in self.einsum.left_out() if not covered & {name for name, _ in d.terms}]

    def emit(self, symbol: str) -> Any:
        """The kernel as a PrimFunc: symbol(input, weight, operands of the epilogue…, output).

        A constant weight comes packed.
        """
        einsum, constant = self.einsum, self.einsum.weight.constant
        operands = (einsum.input, einsum.weight, *einsum.finishing, einsum.output)
        data = [
            tir.argument(access.name, inline.carrier(access.dtype), prod(access.shape()), BYTES[access.dtype])
            for access in operands
        ]
        if constant:
            data[1] = tir.argument("weight", self.weight.dtype, self.weight.elements, 64)
        self.input, given, *added, self.output = (buffer for _, buffer in data)
        self.finish = Finish(self.nest, added)
        source = Source.user(self.input, einsum.input)
        if constant:
            self.packed = given
            return tir.function(symbol, data, self._whole(source))
        self.packed = tir.workspace("packed", self.weight.dtype, self.weight.elements)
        pack = self.weight.statement(given, self.packed, parallel=self.nest.threads > 1)
        body = tir.sequence([tir.allocate_workspace(self.packed), pack, self._whole(source)])
        return tir.function(symbol, data, body)

    # --- the loops outside the tile -----------------------------------------------------------------

    def _whole(self, source: Source) -> Any:
        """The loops, and what they call that TIR has no words for."""
        body = self._root(source)
        if self.inlined:
            types = (self.einsum.input.dtype, self.einsum.weight.dtype)
            text = inline.multiplication(
                self.nest.instruction, self.width, self.depth, self.accumulate, types
            )
            body = inline.multiplying(text, body)
        if self.streamed:
            body = inline.streaming(self.einsum.output.dtype, self.width, body)
        return body

    def _root(self, source: Source) -> Any:
        body = self._parallel
        if self.nest.stage == ROOT:
            return self.stage.emit(source, {}, body, parallel=self.nest.threads > 1)
        return body(source)

    def _parallel(self, source: Source) -> Any:
        nest, level = self.nest, self.nest.parallel
        axes = nest.level(level) if level else ()
        extents = [nest.tilings[axis].factor(level) for axis in axes] if level else []
        serial = [loop for loop in nest.positions() if loop.level != level and self._spatial(loop.axis)]

        def body(index: Any) -> Any:
            whole = share(index)
            return tir.sequence([whole, inline.fence()]) if self.streamed else whole

        def share(index: Any) -> Any:
            tiles: dict[str, Any] = {}
            for i, axis in enumerate(axes):
                inner = prod(extents[i + 1 :])
                value = index // inner if inner > 1 else index
                wraps = any(extent > 1 for extent in extents[:i])
                tiles[axis] = 0 if extents[i] == 1 else value % extents[i] if wraps else value
            if level is not None and nest.stage == level:
                return self.stage.emit(source, tiles, lambda staged: self._serial(staged, tiles, serial))
            return self._serial(source, tiles, serial)

        return tir.loop("p", prod(extents), body, parallel=nest.threads > 1)

    def _spatial(self, axis: str) -> bool:
        return self.einsum.axis(axis).group != "k"

    def _serial(self, source: Source, tiles: Mapping[str, Any], rest: Sequence[Loop]) -> Any:
        """The serial spatial loops, then the tile. `tiles` holds the tile index of each axis so far."""
        if not rest:
            return self.cases.dispatch(tiles, lambda case: self._tile(source, tiles, case))
        (here, *inner) = rest
        factor = self.nest.tilings[here.axis].factor(here.level)

        def body(index: Any) -> Any:
            now = {**tiles, here.axis: tiles.get(here.axis, 0) * factor + index}
            if self.nest.stage == here.position:
                return self.stage.emit(source, now, lambda staged: self._serial(staged, now, inner))
            return self._serial(source, now, inner)

        return tir.loop(f"{here.axis}_{here.level}", factor, body)

    # --- one tile -----------------------------------------------------------------------------------

    def _tile(self, source: Source, tiles: Mapping[str, Any], case: Case) -> Any:
        starts = {
            axis.name: self.cases.start(axis.name, tiles.get(axis.name, 0)) for axis in self.einsum.spatial
        }
        points = self._points(case)
        blocks = case.size(self.lane)
        acc = [
            [tir.register(f"acc{p}_{j}", self.accumulate, self.width) for j in range(blocks)]
            for p in range(len(points))
        ]
        flat = [buffer for row in acc for buffer in row]
        statements = [tir.allocate_register(buffer) for buffer in flat]
        statements += [tir.store(b, 0, tir.zero(self.accumulate, self.width), self.width) for b in flat]
        if self.nest.prefetch.get("output"):
            statements.append(
                tir.bind(
                    "c", self._output_base(starts), lambda c: self._ask_for_output(points, acc, c, starts)
                )
            )
        statements.append(
            tir.bind(
                "a",
                source.base(starts),
                lambda a: tir.bind(
                    "w",
                    self.weight.tile_base(tiles, blocks),
                    lambda w: self._reduce(source, case, starts, points, acc, a, w),
                ),
            )
        )
        statements.append(
            tir.bind("c", self._output_base(starts), lambda c: self._write_back(points, acc, c, starts))
        )
        return tir.sequence(statements)

    def _points(self, case: Case) -> list[_Point]:
        """The output points of a tile in row-major order of its m-like axes."""
        points = [_Point({})]
        for axis in self.einsum.spatial:
            if axis.name != self.lane:
                points = [
                    _Point({**point.at, axis.name: i})
                    for point in points
                    for i in range(case.size(axis.name))
                ]
        return points

    def _reduce(
        self,
        source: Source,
        case: Case,
        starts: Mapping[str, Any],
        points: Sequence[_Point],
        acc: Sequence[Sequence[Any]],
        a: Any,
        w: Any,
    ) -> Any:
        loops = [axis for axis in self._reduction_order() if axis.name != self.group]
        group_first = self._reduction_order()[0].name == self.group
        blocks = len(acc[0])

        def steps(taps: Mapping[str, Any], groups: Sequence[Any], last: bool) -> Any:
            """The dot products of some groups of four at fixed taps."""
            statements: list[Any] = []
            length, ahead = self.width * self.depth, self.nest.prefetch.get("weight", 0)
            for g in groups:
                begin = self.weight.group_start(g, last)
                offset = source.offset({**taps, self.group: begin})
                at = [w + self.weight.offset(taps, g, blocks) + j * length for j in range(blocks)]
                weights = [tir.load(self.packed, place, length) for place in at]
                if ahead:
                    statements += [tir.prefetch(self.packed, place + ahead * length) for place in at]
                for p, point in enumerate(points):
                    if not case.valid(point.at, taps):
                        continue
                    shift = source.offset(point.at)
                    bytes4 = tir.load(source.buffer, a + offset + shift, self.depth)
                    words = tir.broadcast(tir.reinterpret(bytes4, "int32"), self.width)
                    for j in range(blocks):
                        value = self._multiply(tir.load(acc[p][j], 0, self.width), words, weights[j])
                        statements.append(tir.store(acc[p][j], 0, value, self.width))
            return tir.sequence(statements) if statements else tir.nothing()

        def taps_loop(rest: Sequence[Axis], taps: Mapping[str, Any], inner: Any) -> Any:
            if not rest:
                return inner(taps)
            axis, *others = rest

            def body(index: Any) -> Any:
                here = {**taps, axis.name: index}
                static = axis.name in case.static_taps
                reads = None if static else self.stage.guard(starts, here, axis.name)
                return tir.when(
                    tir.both(reads, self._has_weight(starts, here, axis.name)), taps_loop(others, here, inner)
                )

            if axis.name in case.static_taps:
                unrolled = [
                    body(i)
                    for i in range(axis.extent)
                    if case.any_valid({**taps, axis.name: i}, [point.at for point in points])
                ]
                return tir.sequence(unrolled) if unrolled else tir.nothing()
            return tir.loop(axis.name, axis.extent, body)

        tiling = self.nest.tilings[self.group]
        regular = tiling.extent // self.depth
        step = min(tiling.size, max(regular, 1))
        whole, rest = divmod(regular, step)

        def groups_loop(inner: Any) -> Any:
            """All groups of four: a loop of `step` at a time, the rest, and the shifted last one."""
            statements = []
            if whole:
                statements.append(
                    tir.loop("g", whole, lambda g: inner([g * step + u for u in range(step)], False))
                )
            if rest:
                statements.append(inner([whole * step + u for u in range(rest)], False))
            if tiling.extent % self.depth:
                statements.append(inner([tiling.blocks - 1], True))
            return tir.sequence(statements)

        if group_first:
            body = groups_loop(lambda gs, last: taps_loop(loops, {}, lambda taps: steps(taps, gs, last)))
        else:
            body = taps_loop(loops, {}, lambda taps: groups_loop(lambda gs, last: steps(taps, gs, last)))
        return tir.when(tir.both(self.stage.tile_guard(starts), self._has_weight(starts, {}, None)), body)

    def _multiply(self, sums: Any, words: Any, weights: Any) -> Any:
        """One instruction: to each lane, the products of a word of the input and one of weights."""
        dtype = f"{self.accumulate}x{self.width}"
        if self.inlined:
            return inline.multiply(dtype, sums, words, tir.reinterpret(weights, f"int32x{self.width}"))
        vector = tir.reinterpret(words, f"{self.einsum.input.dtype}x{self.width * self.depth}")
        return tir.llvm_intrinsic(dtype, self.nest.instruction, sums, vector, weights)

    def _has_weight(self, starts: Mapping[str, Any], taps: Mapping[str, Any], last: str | None) -> Any:
        """The test 'the weight is not zero here' for a loop over tap `last` or for the tile (None).

        None if there is nothing to test: only phases of a transposed convolution lack taps.
        """
        loops = {axis.name for axis in self.einsum.reduction}
        tests = []
        for dim in self.left_out:
            moved = [name for name, _ in dim.terms if name in loops]
            if all(name in taps for name in moved) and (last in moved if last else not moved):
                at = {**starts, **taps}
                coordinate = tir.number(sum((at[name] * c for name, c in dim.terms), dim.offset))
                tests += [coordinate >= 0, coordinate < dim.extent]
        return tir.both(*tests)

    def _reduction_order(self) -> list[Axis]:
        """The axes of the sum, each once, at its outermost level: the emitter does not tile them further."""
        names = [loop.axis for loop in self.nest.positions() if not self._spatial(loop.axis)]
        return [self.einsum.axis(name) for name in dict.fromkeys(names)]

    # --- write-back ---------------------------------------------------------------------------------

    def _output_base(self, starts: Mapping[str, Any]) -> Any:
        output = self.einsum.output
        moving = [a.name for a in self.einsum.spatial if a.name != self.lane]
        return sum((starts[name] * output.stride(name) for name in moving), output.offset())

    def _ask_for_output(
        self, points: Sequence[_Point], acc: Sequence[Sequence[Any]], c: Any, starts: Mapping[str, Any]
    ) -> Any:
        """The lines that the tile writes, so that they are in the cache by then."""
        first = starts[self.lane]
        return tir.sequence(
            [
                tir.prefetch(self.output, c + shift + (first + j) * self.width, write=True)
                for point, row in zip(points, acc, strict=True)
                for shift in [sum(self.einsum.output.stride(name) * i for name, i in point.at.items())]
                for j in range(len(row))
            ]
        )

    def _write_back(
        self, points: Sequence[_Point], acc: Sequence[Sequence[Any]], c: Any, starts: Mapping[str, Any]
    ) -> Any:
        output, tiling = self.einsum.output, self.nest.tilings[self.lane]
        stride = output.stride(self.lane)
        first = starts[self.lane]  # in blocks
        valid = min(self.width, tiling.extent)
        statements = []
        for p, point in enumerate(points):
            at = c + sum(output.stride(name) * i for name, i in point.at.items())
            here = {name: starts[name] + point.at.get(name, 0) for name in starts if name != self.lane}
            stores = []
            for j, sums in enumerate(acc[p]):
                column = (first + j) * self.width
                if tiling.extent % self.width and tiling.extent > self.width:
                    column = tir.minimum(column, tiling.extent - self.width)
                elif tiling.extent < self.width:
                    column = 0
                before, buffer = self.finish.apply(sums, here, column, valid)
                stores += before
                if self.streamed:
                    stores.append(inline.stream(self.output, at + column, tir.load(buffer, 0, self.width)))
                elif stride == 1 and valid == self.width:
                    stores.append(
                        tir.store(self.output, at + column, tir.load(buffer, 0, self.width), self.width)
                    )
                else:
                    stores += [
                        tir.store(self.output, at + (column + i) * stride, tir.load(buffer, i))
                        for i in range(valid)
                    ]
            statements.append(tir.when(self._inside(starts, point), tir.sequence(stores)))
        return tir.sequence(statements)

    def _inside(self, starts: Mapping[str, Any], point: _Point) -> Any:
        """The test 'this point lies in the image', None where all do."""
        tests = []
        for dim in self.einsum.cropped():
            at = sum(((starts[n] + point.at.get(n, 0)) * c for n, c in dim.terms), dim.offset)
            tests += [tir.number(at) >= 0, tir.number(at) < dim.extent]
        return tir.both(*tests)
