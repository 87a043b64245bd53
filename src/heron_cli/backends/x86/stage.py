"""The input as the tile reads it: the user's tensor, or a copy of a region with zeros outside the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.x86 import forms, inline
from heron_cli.backends.x86.cases import Case
from heron_cli.elements import BYTES
from heron_cli.schedule.einsum import Access, Dim
from heron_cli.schedule.nest import SKIP, Nest
from heron_cli.schedule.padding import windows


@dataclass(frozen=True)
class Source:
    """A buffer that holds (part of) the input: coordinate of its element 0 and stride, per dimension."""

    buffer: Any
    dims: tuple[Dim, ...]
    strides: tuple[int, ...]
    origin: tuple[Any, ...]  # the coordinate that lies at index 0

    @classmethod
    def user(cls, buffer: Any, access: Access) -> Source:
        """The user's tensor itself."""
        return cls(buffer, access.dims, tuple(dim.stride for dim in access.dims), (0,) * len(access.dims))

    def base(self, starts: Mapping[str, Any]) -> Any:
        """Element offset of a tile whose axes begin at `starts`, all taps 0."""
        total: Any = 0
        for dim, stride, origin in zip(self.dims, self.strides, self.origin, strict=True):
            coordinate = sum((starts[n] * c for n, c in dim.terms if n in starts), dim.offset)
            total = total + (coordinate - origin) * stride
        return total

    def offset(self, moved: Mapping[str, Any]) -> Any:
        """Elements that some iterators' indices add."""
        total: Any = 0
        for dim, stride in zip(self.dims, self.strides, strict=True):
            for name, coefficient in dim.terms:
                if name in moved:
                    total = total + moved[name] * (coefficient * stride)
        return total


class InputStage:
    """Copies the input where the nest says so, or says which taps to leave out."""

    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        self.einsum = nest.einsum
        self.taps = {axis.name for axis in self.einsum.reduction}
        self.tested = self._tested()

    def _tested(self) -> list[Dim]:
        """Padded dimensions in which loops test for what touches data.

        A copy holds zeros there, so a test only spares work: where some tile lies in the padding as a whole,
        at a tap that is a loop around the groups of four.
        """
        if self.nest.stage == SKIP:
            outside = [self.einsum.input.dims[i] for i in self.einsum.outside()]
            static = [edge.dim for edge in self.nest.edges]
            return [dim for dim in outside if dim not in static]
        group = str(self.nest.intrinsic["k"])
        order = [loop.axis for loop in self.nest.positions() if loop.axis in self.taps]
        outer = order[: order.index(group)]
        return [
            window.dim
            for window in windows(self.einsum, group)
            if window.tap in outer
            and window.multiplied(self.nest.tilings[window.row]) < window.rows * window.taps
        ]

    # --- leaving taps out ---------------------------------------------------------------------------

    def guard(self, starts: Mapping[str, Any], taps: Mapping[str, Any], last: str, case: Case) -> Any:
        """The test 'a point of the tile touches data' for a loop over tap `last`, None if one always does."""
        return self._inside(starts, taps, [dim for dim in self.tested if dim.coefficient(last)], case)

    def tile_guard(self, starts: Mapping[str, Any]) -> Any:
        """The same for dimensions that no tap moves: one test for the whole tile."""
        plain = [dim for dim in self.tested if not any(name in self.taps for name, _ in dim.terms)]
        return self._inside(starts, {}, plain)

    def _inside(
        self,
        starts: Mapping[str, Any],
        taps: Mapping[str, Any],
        dims: Sequence[Dim],
        case: Case | None = None,
    ) -> Any:
        tests = []
        for dim in dims:
            at = {**starts, **taps}
            low = tir.number(sum((at[name] * c for name, c in dim.terms), dim.offset))
            rows = [(name, c) for name, c in dim.terms if name not in self.taps]
            reach = sum((self._rows(case, name) - 1) * c for name, c in rows) if case is not None else 0
            tests += [low + reach >= 0, low < dim.extent]
        return tir.both(*tests)

    def _rows(self, case: Case, axis: str) -> int:
        """Iterations of an axis that a tile covers; lanes move no padded dimension."""
        tiling = self.nest.tilings[axis]
        return min(case.size(axis) * tiling.unit, tiling.extent)

    # --- copying ------------------------------------------------------------------------------------

    def layout(self) -> list[int]:
        """Order of the copy's dimensions: the user's, with the axis that the intrinsic asks for trailing."""
        trailing = str(self.nest.trailing)
        dims = self.einsum.input.dims
        return sorted(range(len(dims)), key=lambda i: dims[i].coefficient(trailing) != 0)

    def emit(
        self,
        source: Source,
        tiles: Mapping[str, Any],
        body: Callable[[Source], Any],
        *,
        parallel: bool = False,
    ) -> Any:
        """Copy the region that the tiles below need, then the body that reads the copy."""
        lengths = self.nest.lengths
        order = self.layout()
        strides = [0] * len(order)
        for place, i in enumerate(order):
            strides[i] = prod(lengths[j] for j in order[place + 1 :])
        copy = forms.workspace("staged", inline.carrier(self.einsum.input.dtype), prod(lengths))
        starts = self._starts(tiles)
        origin = tuple(self._low(d, starts, n) for d, n in zip(source.dims, lengths, strict=True))
        staged = Source(copy, source.dims, tuple(strides), origin)
        return tir.sequence(
            [
                forms.allocate_workspace(copy),
                self._copy(source, staged, lengths, order, parallel),
                body(staged),
            ]
        )

    def _starts(self, tiles: Mapping[str, Any]) -> dict[str, Any]:
        """First iteration of every axis that already has a tile index, at this position."""
        starts: dict[str, Any] = {}
        for name, tile in tiles.items():
            tiling = self.nest.tilings[name]
            first = tile * self.nest.inside(self.nest.stage, name)
            block = first * tiling.base
            if tiling.longer:
                block = block + tir.minimum(first, tiling.longer)
            starts[name] = block * tiling.unit
        return starts

    def _low(self, dim: Dim, starts: Mapping[str, Any], length: int) -> Any:
        """Smallest coordinate of a dimension that the copy made at these starts holds.

        Copies are as long as the longest tiles need. Where tiles differ, the last copy is shifted back to
        end with the dimension's last coordinate, so that it never reads past the data.
        """
        low: Any = dim.offset
        for name, coefficient in dim.terms:
            if name in starts:
                assert coefficient > 0, f"{name} runs backwards in the input"
                low = low + starts[name] * coefficient
            elif coefficient < 0:
                low = low + coefficient * (self.nest.tilings[name].extent - 1)
        tilings = [self.nest.tilings[name] for name, _ in dim.terms if name in starts]
        if any(tiling.size * tiling.tiles * tiling.unit != tiling.extent for tiling in tilings):
            _, high = dim.span(self.einsum.extents)
            low = tir.minimum(low, high + 1 - length)
        return low

    def _copy(
        self, source: Source, staged: Source, lengths: Sequence[int], order: Sequence[int], parallel: bool
    ) -> Any:
        """Row by row: a row is the longest run that is contiguous on both sides."""
        row = self._row(staged, lengths, order)
        outer = order[: len(order) - len(row)]

        def rows(rest: Sequence[int], target: Any, origin: Any, tests: Sequence[Any], first: bool) -> Any:
            if not rest:
                return self._copy_row(source, staged, lengths, row, target, origin, tir.both(*tests))
            i, *others = rest
            dim, low = source.dims[i], staged.origin[i]

            def body(index: Any) -> Any:
                coordinate = low + index
                test = None
                if i in self.einsum.outside():
                    at = tir.number(coordinate)
                    test = tir.both(at >= 0, at < dim.extent)
                return rows(
                    others,
                    target + index * staged.strides[i],
                    origin + coordinate * source.strides[i],
                    [*tests, test],
                    False,
                )

            return tir.loop(f"y{i}", lengths[i], body, parallel=parallel and first and lengths[i] > 1)

        return rows(outer, 0, 0, [], True)

    def _row(self, staged: Source, lengths: Sequence[int], order: Sequence[int]) -> tuple[int, ...]:
        """The trailing dimensions that one memcpy covers: all but the first of them are whole."""
        dims = staged.dims
        row: list[int] = []
        for i in reversed(order):
            if row:
                inner = dims[row[0]]
                whole = lengths[row[0]] == inner.extent and row[0] not in self.einsum.outside()
                if not whole or dims[i].stride != inner.stride * inner.extent:
                    break
            elif dims[i].stride != 1:
                return ()
            row.insert(0, i)
        return tuple(row)

    def _copy_row(
        self,
        source: Source,
        staged: Source,
        lengths: Sequence[int],
        row: Sequence[int],
        target: Any,
        origin: Any,
        inside: Any,
    ) -> Any:
        dtype, size = inline.carrier(self.einsum.input.dtype), BYTES[self.einsum.input.dtype]
        if not row:
            value = tir.load(source.buffer, origin)
            known = value if inside is None else tir.guarded(inside, value, tir.zero(dtype))
            return tir.store(staged.buffer, target, known)
        head = row[0]
        unit = prod(lengths[i] for i in row[1:])  # elements of one coordinate of the row's first dimension
        low, extent, length = staged.origin[head], source.dims[head].extent, lengths[head]
        for i in row[1:]:
            origin = origin + staged.origin[i] * source.strides[i]
        before = tir.minimum(tir.maximum(0 - low, 0), length)
        until = tir.maximum(tir.minimum(extent - low, length), before)

        def to(index: Any) -> Any:
            return tir.address(staged.buffer, target + index * unit)

        def fill(first: Any, last: Any) -> Any:
            if isinstance(first, int) and isinstance(last, int) and first == last:
                return tir.nothing()
            return forms.call("memset", to(first), tir.number(0), forms.wide((last - first) * (unit * size)))

        if head not in self.einsum.outside():
            before, until = 0, length
        come = tir.address(source.buffer, origin + (low + before) * source.strides[head])
        copy = forms.call("memcpy", to(before), come, forms.wide((until - before) * (unit * size)))
        inner = tir.sequence([fill(0, before), copy, fill(until, length)])
        return inner if inside is None else tir.branch(inside, inner, fill(0, length))
