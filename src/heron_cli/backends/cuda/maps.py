"""Tensor maps: how bulk copies find tiles of an operand. The host encodes them, with its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.buffers import item_bytes
from heron_cli.backends.cuda.geometry import Geometry, Tiled
from heron_cli.backends.cuda.loader import PIECE, take_apart
from heron_cli.schedule.boxes import Boxes, Side, boxes
from heron_cli.schedule.einsum import Access


@dataclass(frozen=True)
class TensorMap:
    """Copies of one operand's tiles. Rows are the axis of m (input) or n (weight)."""

    geometry: Geometry
    access: Access
    dim: str
    boxes: Boxes

    @classmethod
    def of(cls, geometry: Geometry, access: Access, dim: str) -> TensorMap:
        """The map of an operand; a packed weight is a box of its own form."""
        row, k = geometry.axes[dim], geometry.axes["k"]
        if access.constant:
            return cls(geometry, access, dim, _packed(geometry, access))
        found = boxes(geometry.nest.einsum, access, row, k, item_bytes(access.dtype))
        assert isinstance(found, Boxes), found
        return cls(geometry, access, dim, found)

    @property
    def item(self) -> int:
        """Bytes of an element."""
        return item_bytes(self.access.dtype)

    @property
    def tile(self) -> Tiled:
        """The tile in shared memory."""
        rows, depth = self.geometry.block(self.dim), self.geometry.block("k")
        if self.boxes.rows:
            return Tiled(depth, rows * self.item // PIECE)
        return Tiled(rows, depth * self.item // PIECE)

    @property
    def inner(self) -> int:
        """Elements of one row of a copy: as wide as the swizzle."""
        return self.tile.width * PIECE // self.item

    @property
    def sharers(self) -> int:
        """Blocks that each copy a part of the tile, for all of them."""
        return self.geometry.shared("n" if self.dim == "m" else "m")

    @property
    def outer(self) -> int:
        """Rows of one copy, in the tile's own order."""
        return self.tile.rows // self.sharers

    def _sides(self) -> tuple[Side, ...]:
        """The sides of the box; a row axis that moves nothing gets one of a single row."""
        row = self.geometry.axes[self.dim]
        sides = self.boxes.sides
        if self.boxes.windows or any(name == row for side in sides for name, _ in side.terms):
            return sides
        return (*sides, Side(1, PIECE // self.item * 8, ((row, 1),)))

    def describe(self, operand: int) -> dict[str, Any]:
        """What the host needs to encode the map: sizes in elements, strides in bytes, innermost first."""
        sides = self._sides()
        found: dict[str, Any] = {
            "operand": operand,
            "type": self.access.dtype,
            "extents": [side.extent for side in sides],
            "strides": [side.stride * self.item for side in sides[1:]],
            "swizzle": self.tile.width * PIECE,
        }
        if self.boxes.windows:
            extents = [side.extent for side in sides[1:-1]]
            return found | {
                "mode": "column",
                "lower": [window.offset for window in self.boxes.windows],
                "upper": [w.upper(extent) for w, extent in zip(self.boxes.windows, extents, strict=True)],
                "steps": [1, *(window.step for window in self.boxes.windows), 1],
                "channels": self.inner,
                "pixels": self.outer,
            }
        row, k = self.geometry.axes[self.dim], self.geometry.axes["k"]
        across, down = (row, k) if self.boxes.rows else (k, row)
        sizes = {across: self.inner, down: self.outer}
        box = [next((sizes[n] for n, _ in side.terms if n in sizes), 1) for side in sides]
        return found | {"mode": "box", "box": box}

    def call(self, multicast: bool) -> str:
        """The device function that copies."""
        kind = "column" if self.boxes.windows else "box"
        how = "_to" if multicast else "_once" if kind == "box" and self.geometry.passes(self.access) else ""
        return f"heron_{kind}_{len(self._sides())}{how}"

    def begin(self, first: Any, share: Any) -> Mapping[str, Any]:
        """The iterators of the row at which this block's copies begin."""
        row = self.geometry.axes[self.dim]
        at = first if self.boxes.rows else first + share * self.outer
        if not self.boxes.windows:
            return {row: at}
        axis = self.geometry.nest.einsum.axis(row)
        parts, last = axis.parts, axis.extent - 1
        covered = (
            self.geometry.grid(self.dim) * self.geometry.block(self.dim) * self.geometry.shared(self.dim)
        )
        if covered - self.outer > last:  # a column must begin inside the tensor; what it brings is masked
            at = tir.minimum(at, last)
        return take_apart(at, [(part.name, part.extent) for part in parts])

    def copies(
        self, begin: Mapping[str, Any], share: Any, taps: Mapping[str, Any], start: Any
    ) -> list[tuple[Any, list[Any]]]:
        """(byte in the tile, coordinates and offsets) of every copy of a stage."""
        row, k = self.geometry.axes[self.dim], self.geometry.axes["k"]
        width = self.tile.width * PIECE
        found = []
        for group in range(self.tile.chunks // self.tile.width):
            at = group * self.tile.group + share * self.outer * width
            values = {**taps, **begin, k: start}
            along = row if self.boxes.rows else k
            values[along] = values[along] + group * self.inner
            if self.boxes.rows:
                values[k] = start + share * self.outer
            found.append((at, self._coordinates(values)))
        return found

    def _coordinates(self, values: Mapping[str, Any]) -> list[Any]:
        if not self.boxes.windows:
            return [sum((c * values[n] for n, c in side.terms), side.offset) for side in self._sides()]
        windows = self.boxes.windows
        channel = values[self.boxes.sides[0].terms[0][0]]
        places = [values[w.part] * w.step + w.offset for w in windows]
        image = 0 if self.boxes.image is None else values[self.boxes.image]
        offsets = [0 if w.tap is None else values[w.tap] * w.dilation for w in windows]
        return [channel, *places, image, *offsets]


def _packed(geometry: Geometry, form: Access) -> Boxes:
    """The packed weight as a box: k, all taps as one dimension, n, all batches as one."""
    n, taps = geometry.axes["n"], {name for name, _ in geometry.taps}
    sides: list[Side] = []
    for dim in reversed(form.dims):
        ((name, _),) = dim.terms
        kind = "taps" if name in taps else name if name in (geometry.axes["k"], n) else "batches"
        last = sides[-1] if sides else None
        if last is not None and kind == _kind(last, taps, n, geometry.axes["k"]):
            sides[-1] = Side(last.extent * dim.extent, last.stride, (*last.terms, (name, last.extent)))
        else:
            sides.append(Side(dim.extent, dim.stride, ((name, 1),)))
    return Boxes(tuple(sides))


def _kind(side: Side, taps: set[str], n: str, k: str) -> str:
    name = side.terms[0][0]
    return "taps" if name in taps else name if name in (k, n) else "batches"
