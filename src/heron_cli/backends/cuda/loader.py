"""Filling shared memory: every thread copies pieces of an operand's tile, from any address, zeros outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd
from typing import Any, Literal

from heron_cli.backends import tir
from heron_cli.backends.buffers import item_bytes
from heron_cli.backends.cuda.geometry import Geometry, Tiled
from heron_cli.schedule.einsum import Access, Dim

PIECE = 16  # bytes of the widest copy, and of a piece of the swizzle

Way = Literal["along-k", "along-rows"]


@dataclass(frozen=True)
class Plan:
    """How a tile is copied: which way pieces of `vector` elements lie, and in which layout they end.

    Rows are the axis of m (input) or n (weight). Where whole pieces are contiguous along the rows, the tile
    is stored with k as its rows, and fragments are transposed as they are read.
    """

    way: Way
    vector: int
    tile: Tiled

    @property
    def transposed(self) -> bool:
        """Whether rows of the tile in shared memory are steps of k."""
        return self.way == "along-rows" and self.vector > 1


class Loader:
    """Copies one operand. `setup` computes once what each piece of a thread needs, `copy` fills a stage."""

    def __init__(self, geometry: Geometry, access: Access, dim: str, data: Any) -> None:
        self.geometry, self.access, self.dim, self.data = geometry, access, dim, data
        self.rows, self.depth = geometry.block(dim), geometry.block("k")
        self.row_axis, self.k_axis = geometry.axes[dim], geometry.axes["k"]
        self.item = item_bytes(access.dtype)
        self.plan = self._plan()
        self.pieces = -(-self.rows * self.depth // (self.plan.vector * geometry.threads))
        self.masked = self._masked_dims()
        prefix = access.name
        self.offsets = tir.register(f"{prefix}_at", "int32", self.pieces)
        self.places = tir.register(f"{prefix}_to", "int32", self.pieces)
        self.inside = tir.register(f"{prefix}_ok", "int32", self.pieces)
        self.coordinates = {i: tir.register(f"{prefix}_x{i}", "int32", self.pieces) for i in self.masked}

    # --- what can be copied at once -------------------------------------------------------------------------

    def _plan(self) -> Plan:
        k_stride, row_part = self.access.stride(self.k_axis), self._innermost_row()
        across = Tiled(self.rows, self.depth * self.item // PIECE)
        if k_stride == 1:
            return Plan("along-k", self._vector(self.k_axis, self._filled(), self.depth), across)
        if row_part is not None:
            name, extent = row_part
            vector = 1 if self._leaves(name) else self._vector(name, extent, self.rows)
            if vector * self.item == PIECE and self.item == 2:
                return Plan("along-rows", vector, Tiled(self.depth, self.rows * self.item // PIECE))
            return Plan("along-rows", 1, across)
        return Plan("along-k", 1, across)

    def _filled(self) -> int:
        """Iterations of k that the operand has elements for: a packed weight is filled up with zeros."""
        return self._k_extent() if self.access.constant else self.geometry.extent("k")

    def _innermost_row(self) -> tuple[str, int] | None:
        """The part of the row axis that neighbours in memory, and its extent."""
        for name, extent in reversed(self._row_parts()):
            if extent > 1:
                return (name, extent) if self.access.stride(name) == 1 else None
        return None

    def _row_parts(self) -> list[tuple[str, int]]:
        return parts_of(self.geometry, self.access, self.row_axis)

    def _leaves(self, name: str) -> bool:
        """Whether an iterator's dimension leaves the data somewhere."""
        outside = outside_of(self.access, self.geometry.nest.einsum.iterators)
        return any(self.access.dims[i].coefficient(name) for i in outside)

    def _vector(self, along: str, extent: int, tile: int) -> int:
        """Elements that one copy may move: everything else moves by whole copies, and edges fall between."""
        whole = gcd(PIECE // self.item, extent, tile, abs(self.access.offset()))
        for dim in self.access.dims:
            for name, coefficient in dim.terms:
                if name != along:
                    whole = gcd(whole, dim.stride * coefficient)
        widths = (PIECE, 8, 4, 2, 1)
        return next(
            size // self.item for size in widths if size % self.item == 0 and whole % (size // self.item) == 0
        )

    def _masked_dims(self) -> tuple[int, ...]:
        """Dimensions that are tested for every copy: those that leave the data."""
        return tuple(
            i
            for i in outside_of(self.access, self.geometry.nest.einsum.iterators)
            if not (self.access.dims[i].coefficient(self.k_axis) and len(self.access.dims[i].terms) == 1)
        )

    @property
    def held(self) -> int:
        """Registers of what `setup` computes."""
        return self.pieces * (2 + int(self._ragged_rows()) + len(self.coordinates))

    @property
    def asynchronous(self) -> bool:
        """Whether copies are wide enough for cp.async."""
        return self.plan.vector * self.item >= 4

    # --- code -----------------------------------------------------------------------------------------------

    def declare(self) -> list[Any]:
        """The registers that hold what `setup` computes."""
        inside = [self.inside] if self._ragged_rows() else []
        every = [self.offsets, self.places, *inside, *self.coordinates.values()]
        return [tir.allocate_register(buffer) for buffer in every]

    def setup(self, thread: Any, first_row: Any, batches: Mapping[str, Any]) -> list[Any]:
        """Row and column of every piece, taken apart once: address, place in shared memory, coordinates."""
        statements = []
        for j in range(self.pieces):
            row, column = self._piece(thread, j)
            index = first_row + row
            parts = {**take_apart(index, self._row_parts()), **batches, self.k_axis: column}
            statements.append(tir.store(self.offsets, j, flat(self.access, parts)))
            statements.append(tir.store(self.places, j, self._place(row, column)))
            if self._ragged_rows():
                statements.append(tir.store(self.inside, j, tir.flag(index < self.geometry.extent(self.dim))))
            for i, buffer in self.coordinates.items():
                statements.append(tir.store(buffer, j, coordinate(self.access.dims[i], parts)))
        return statements

    def copy(
        self,
        shared: Any,
        base: Any,
        thread: Any,
        taps: Mapping[str, Any],
        start: Any,
        go: Any = None,
    ) -> list[Any]:
        """Fill the stage at byte `base` with k from `start` on, at some taps, a statement for each piece.

        `go`: a condition of every copy by itself, so that they can stand between other statements; copies are
        `asynchronous` then.
        """
        statements = []
        moved = {**taps, self.k_axis: start}
        step = sum(
            (
                dim.stride * dim.coefficient(name) * value
                for dim in self.access.dims
                for name, value in moved.items()
            ),
            0,
        )
        left_over = (self.rows * self.depth) % (self.plan.vector * self.geometry.threads) != 0
        for j in range(self.pieces):
            row, column = self._piece(thread, j)
            conditions = [tir.load(self.inside, j) != 0] if self._ragged_rows() else []
            covered = self.geometry.chunks * self.geometry.split * self.depth
            if covered > self._k_extent():
                conditions.append(start + column < self._k_extent())
            for i, buffer in self.coordinates.items():
                dim = self.access.dims[i]
                here = tir.load(buffer, j) + sum((dim.coefficient(n) * v for n, v in moved.items()), 0)
                conditions += [here >= 0, here < dim.extent]
            ok = tir.both(*conditions)
            at = tir.load(self.offsets, j) + step
            safe = at if ok is None else tir.select(ok, at, 0)
            bytes_ = self.plan.vector * self.item
            to, source = tir.address(shared, base + tir.load(self.places, j)), tir.address(self.data, safe)
            if go is None:
                statement = tir.device(f"heron_copy_{bytes_}", to, source, tir.flag(ok))
            else:
                statement = tir.device(f"heron_copy_{bytes_}_if", to, source, tir.flag(ok), tir.flag(go))
            if left_over and j == self.pieces - 1:
                within = row < self.rows if self.plan.way == "along-k" else column < self.depth
                statement = tir.branch(within, statement)
            statements.append(statement)
        return statements

    def _k_extent(self) -> int:
        """How far the operand reaches along the instruction's reduction axis."""
        dims = [dim for dim in self.access.dims if dim.coefficient(self.k_axis)]
        return dims[0].extent if len(dims) == 1 and len(dims[0].terms) == 1 else self.geometry.extent("k")

    def _ragged_rows(self) -> bool:
        return self.geometry.extent(self.dim) % self.rows != 0

    def _piece(self, thread: Any, j: int) -> tuple[Any, Any]:
        """(row, k) of the first element of a thread's j-th piece."""
        number = thread + j * self.geometry.threads
        if self.plan.way == "along-k":
            across = self.depth // self.plan.vector
            return number // across, number % across * self.plan.vector
        down = self.rows // self.plan.vector
        return number % down * self.plan.vector, number // down

    def _place(self, row: Any, column: Any) -> Any:
        """Byte of an element in the operand's tile."""
        if self.plan.transposed:
            row, column = column, row
        return (
            place(self.plan.tile, row, column // (PIECE // self.item))
            + column % (PIECE // self.item) * self.item
        )


def place(tile: Tiled, row: Any, piece: Any) -> Any:
    """Byte of a 16-byte piece of a swizzled tile."""
    width = tile.width
    swizzled = tir.exclusive_or(piece % width, row // (8 // width) % width) if width > 1 else 0
    return piece // width * tile.group + row * (width * PIECE) + swizzled * PIECE


def parts_of(geometry: Geometry, access: Access, axis: str) -> list[tuple[str, int]]:
    """The iterators of an axis that an operand's terms name, outermost first: the axis, or its parts."""
    whole = geometry.nest.einsum.axis(axis)
    names = access.names()
    if axis in names or not any(part.name in names for part in whole.parts):
        return [(axis, whole.extent)]
    return [(part.name, part.extent) for part in whole.parts]


def take_apart(index: Any, parts: list[tuple[str, int]]) -> dict[str, Any]:
    """The iterators of a flattened index, outermost first."""
    found: dict[str, Any] = {}
    inner = 1
    for number, (name, extent) in enumerate(reversed(parts)):
        value = index // inner if inner > 1 else index
        found[name] = value if number == len(parts) - 1 else value % extent
        inner *= extent
    return found


def coordinate(dim: Dim, values: Mapping[str, Any]) -> Any:
    """A coordinate, as far as the iterators are known."""
    return sum((c * values[name] for name, c in dim.terms if name in values), dim.offset)


def flat(access: Access, values: Mapping[str, Any]) -> Any:
    """The element's position, as far as the iterators are known."""
    return sum((dim.stride * coordinate(dim, values) for dim in access.dims), 0)


def outside_of(access: Access, extents: Mapping[str, int]) -> tuple[int, ...]:
    """Dimensions whose coordinate leaves the data for some iteration of iterators with these extents."""
    spans = [dim.span(extents) for dim in access.dims]
    return tuple(i for i, (low, high) in enumerate(spans) if low < 0 or high >= access.dims[i].extent)
