"""One register tile: its sums over the whole reduction, the epilogue, and the stores.

The accumulators are one small buffer per vector, so LLVM promotes each of them to a register by itself
and several bodies of code (long and short tiles, edge tiles) live in one function without spills.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.x86 import forms, inline
from heron_cli.backends.x86.ahead import Ahead
from heron_cli.backends.x86.cases import Case, Cases
from heron_cli.backends.x86.dot import Dot
from heron_cli.backends.x86.finish import Finish
from heron_cli.backends.x86.operands import Begun, Reads, Sums
from heron_cli.backends.x86.pack import PackedWeight
from heron_cli.backends.x86.stage import InputStage
from heron_cli.schedule.einsum import Axis
from heron_cli.schedule.nest import STREAMED, Nest


class RegisterTile:
    """Emits the tiles of a nest."""

    def __init__(
        self, nest: Nest, weight: PackedWeight, stage: InputStage, cases: Cases, finish: Finish, output: Any
    ) -> None:
        self.nest, self.einsum = nest, nest.einsum
        self.weight, self.stage, self.cases, self.finish, self.output = weight, stage, cases, finish, output
        self.lane, self.group = weight.lane, weight.group
        self.width, self.depth = weight.width, weight.depth
        self.accumulate = self.einsum.accumulate
        types = (self.einsum.input.dtype, self.einsum.weight.dtype)
        self.dot = Dot(nest.instruction, self.width, self.depth, self.accumulate, types)
        covered = {self.lane, self.group}
        self.left_out = [d for d in self.einsum.left_out() if not covered & {name for name, _ in d.terms}]
        self.ahead = Ahead(nest, self.lane, self.width)
        self.valid = min(self.width, nest.tilings[self.lane].extent)  # lanes that are real

    def emit(self, reads: Reads, tiles: Mapping[str, Any], case: Case) -> Any:
        """The tile with these indices."""
        spatial = [axis.name for axis in self.einsum.spatial]
        starts = {name: self.cases.start(name, tiles.get(name, 0)) for name in spatial}
        points = self._points(case, starts)
        registers, statements = self._cleared(points, case.size(self.lane))
        sums = Sums(case, starts, points, registers)
        panels = reads.panels
        assert panels is not None

        def reduce(output: Any) -> Any:
            return tir.bind(
                "a",
                reads.source.base({name: at for name, at in starts.items() if name != self.lane}),
                lambda a: tir.bind(
                    "w",
                    self.weight.tile_base(panels, tiles),
                    lambda w: self.reduce(Begun(reads.source, panels.buffer, a, w), sums, output),
                ),
            )

        where = self._output_base(starts)
        statements.append(tir.bind("c", where, reduce) if self.ahead.output else reduce(None))
        statements.append(tir.bind("c", where, lambda c: self._write_back(sums, c)))
        return tir.sequence(statements)

    def within(self, body: Any) -> Any:
        """The kernel's body, in which the intrinsic may be used."""
        return self.dot.within(body)

    def configured(self, body: Any) -> Any:
        """What one thread runs; vector registers need no preparation."""
        return body

    def _cleared(self, points: Sequence[Any], blocks: int) -> tuple[list[list[Any]], list[Any]]:
        """A register for the sums of every vector of each point, and what sets them to zero."""
        registers = [
            [tir.register(f"acc{p}_{j}", self.accumulate, self.width) for j in range(blocks)]
            for p in range(len(points))
        ]
        flat = [buffer for row in registers for buffer in row]
        statements = [tir.allocate_register(buffer) for buffer in flat]
        statements += [tir.store(b, 0, tir.zero(self.accumulate, self.width), self.width) for b in flat]
        return registers, statements

    def _points(self, case: Case, starts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The output points of a tile that begins at `starts`, in row-major order of its m-like axes."""
        points: list[Mapping[str, Any]] = [{}]
        for axis in self.einsum.spatial:
            if axis.name != self.lane:
                points = [{**point, axis.name: i} for point in points for i in range(case.size(axis.name))]
        return points

    # --- the sums -----------------------------------------------------------------------------------

    def reduce(self, reads: Begun, sums: Sums, output: Any) -> Any:
        """All products of a tile; `output` is where its results begin."""
        order = self.reduction_order()
        loops = [axis for axis in order if axis.name != self.group]
        group_first = order[0].name == self.group
        starts, static = sums.starts, sums.case.static_taps

        def outermost(index: Any, count: int, depth: int) -> list[Any]:
            return [] if depth else self.lines(sums, output, index, count)

        def steps(taps: Mapping[str, Any], groups: Sequence[Any], last: bool) -> Any:
            return self.products(reads, sums, taps, groups, last)

        def taps_loop(rest: Sequence[Axis], taps: Mapping[str, Any], inner: Any, depth: int) -> Any:
            if not rest:
                return inner(taps)
            axis, *others = rest

            def body(index: Any, iteration: Any, count: int) -> Any:
                here = {**taps, axis.name: index}
                inside = None
                if axis.name not in static:
                    inside = self.stage.guard(starts, here, axis.name, sums.case)
                work = tir.when(
                    tir.both(inside, self.has_weight(starts, here, axis.name)),
                    taps_loop(others, here, inner, depth + 1),
                )
                return tir.sequence([*outermost(iteration, count, depth), work])

            if axis.name in static:
                real = [
                    i for i in range(axis.extent) if sums.case.any_valid({**taps, axis.name: i}, sums.points)
                ]
                unrolled = [body(i, n, len(real)) for n, i in enumerate(real)]
                return tir.sequence(unrolled) if unrolled else tir.nothing()
            return tir.loop(axis.name, axis.extent, lambda index: body(index, index, axis.extent))

        def groups_loop(inner: Callable[[Sequence[Any], bool], Any], depth: int) -> Any:
            return self.groups_loop(inner, lambda g, whole: outermost(g, whole, depth))

        if group_first:
            body = groups_loop(
                lambda gs, last: taps_loop(loops, {}, lambda taps: steps(taps, gs, last), 1), 0
            )
        else:
            body = taps_loop(
                loops, {}, lambda taps: groups_loop(lambda gs, last: steps(taps, gs, last), len(loops)), 0
            )
        return tir.when(tir.both(self.stage.tile_guard(starts), self.has_weight(starts, {}, None)), body)

    def products(
        self, reads: Begun, sums: Sums, taps: Mapping[str, Any], groups: Sequence[Any], last: bool
    ) -> Any:
        """The dot products of some groups of four at fixed taps."""
        source, packed = reads.source, reads.packed
        statements: list[Any] = []
        length = self.width * self.depth
        for i, g in enumerate(groups):
            offset = source.offset({**taps, self.group: self.weight.group_start(g, last)})
            at = [
                reads.weight + self.weight.offset(taps, g, sums.blocks) + j * length
                for j in range(sums.blocks)
            ]
            weights = [tir.load(packed, place, length) for place in at]
            statements += self.ahead.weights(packed, at, length)
            for point, row in zip(sums.points, sums.registers, strict=True):
                if not sums.case.valid(point, taps):
                    continue
                place = reads.input + offset + source.offset(point)
                bytes4 = tir.load(source.buffer, place, self.depth)
                words = tir.broadcast(forms.reinterpret(bytes4, "int32"), self.width)
                for accumulator, vector in zip(row, weights, strict=True):
                    value = self.dot.multiply(tir.load(accumulator, 0, self.width), words, vector)
                    statements.append(tir.store(accumulator, 0, value, self.width))
                if i == 0:  # the groups of a step lie within few lines
                    statements += self.ahead.inputs(source, place, sums.case)
        return tir.sequence(statements) if statements else tir.nothing()

    def lines(self, sums: Sums, output: Any, index: Any, count: int) -> list[Any]:
        """What is asked for in one of `count` iterations of the outermost loop of the sum, to be written."""
        if output is None:
            return []
        first = sums.starts[self.lane]
        return self.ahead.lines(self.output, output, first, sums.case, sums.blocks, index, count)

    def groups_loop(
        self, inner: Callable[[Sequence[Any], bool], Any], asked: Callable[[Any, int], list[Any]]
    ) -> Any:
        """All groups of four: a loop of `step` at a time, the rest, and the irregular last one.

        `asked` is what one of so many iterations of the loop asks the caches for.
        """
        tiling = self.nest.tilings[self.group]
        regular = tiling.extent // self.depth
        step = min(tiling.size, max(regular, 1))
        whole, rest = divmod(regular, step)
        statements = []
        if whole:

            def body(g: Any) -> Any:
                work = inner([g * step + u for u in range(step)], False)
                return tir.sequence([*asked(g, whole), work])

            statements.append(tir.loop("g", whole, body))
        if rest:
            statements.append(inner([whole * step + u for u in range(rest)], False))
        if tiling.extent % self.depth:
            statements.append(inner([tiling.blocks - 1], True))
        return tir.sequence(statements)

    def has_weight(self, starts: Mapping[str, Any], taps: Mapping[str, Any], last: str | None) -> Any:
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

    def reduction_order(self) -> list[Axis]:
        """The axes of the sum, each once, at its outermost level: the emitter does not tile them further."""
        names = [loop.axis for loop in self.nest.positions() if self.einsum.axis(loop.axis).group == "k"]
        return [self.einsum.axis(name) for name in dict.fromkeys(names)]

    def column(self, block: Any) -> Any:
        """First lane of a block; the last block is shifted back to end with the axis."""
        return 0 if self.nest.tilings[self.lane].extent < self.width else self.weight.column(block)

    # --- write-back ---------------------------------------------------------------------------------

    def _output_base(self, starts: Mapping[str, Any]) -> Any:
        output = self.einsum.output
        moving = [a.name for a in self.einsum.spatial if a.name != self.lane]
        return sum((starts[name] * output.stride(name) for name in moving), output.offset())

    def _write_back(self, sums: Sums, c: Any) -> Any:
        rows = zip(sums.points, sums.registers, strict=True)
        return tir.sequence([self._finished(sums, c, point, list(enumerate(row))) for point, row in rows])

    def _finished(self, sums: Sums, c: Any, point: Mapping[str, Any], row: Sequence[tuple[int, Any]]) -> Any:
        """The epilogue and the stores of a point's vectors, which are numbered; `c` is the tile's first."""
        output, starts = self.einsum.output, sums.starts
        stride = output.stride(self.lane)
        first = starts[self.lane]  # in blocks
        valid = self.valid
        at = c + sum(output.stride(name) * i for name, i in point.items())
        here = {name: starts[name] + point.get(name, 0) for name in starts if name != self.lane}
        stores = []
        for j, register in row:
            column = self.column(first + j)
            before, buffer = self.finish.apply(register, here, column, valid)
            stores += before
            if self.nest.store == STREAMED:
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
        return tir.when(self._inside(starts, point), tir.sequence(stores))

    def _inside(self, starts: Mapping[str, Any], point: Mapping[str, Any]) -> Any:
        """The test 'this point lies in the image', None where all do."""
        tests = []
        for dim in self.einsum.cropped():
            at = sum(((starts[n] + point.get(n, 0)) * c for n, c in dim.terms), dim.offset)
            tests += [tir.number(at) >= 0, tir.number(at) < dim.extent]
        return tir.both(*tests)
