"""A tensor of a program as a library's manifest describes it: where it lies in DRAM, and how it is packed.

A reader needs no schedule: the user's array, seen with `shape`, is filled with zeros until axis a has
extent x block coordinates, split into blocks, and written with the blocks' numbers outermost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from heron_cli.backends.vta.errors import SimulationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.backends.vta.layout import Layout

RULE = (
    "An operand is read with 'shape' (row-major). 'dims' are the outer dimensions in DRAM, outermost first: "
    "each counts 'extent' blocks of 'block' coordinates of one axis. 'element' are the dimensions within an "
    "element: each holds the coordinates of a block of its axis; where axis is null the value is repeated. "
    "What lies beyond the data is 0. The tensor begins at byte 'offset' of the DRAM image."
)
"""What the manifest says about the tensors' descriptions."""


@dataclass(frozen=True, slots=True)
class Packed:
    """`dims`: (axis of `shape`, block, extent), outermost first; `element`: (axis or None, size)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    dims: tuple[tuple[int, int, int], ...]
    element: tuple[tuple[int | None, int], ...]

    @classmethod
    def of(cls, name: str, layout: Layout, dtype: str) -> Packed:
        """The description of a layout."""
        return cls(
            name,
            dtype,
            layout.access.shape(),
            tuple((dim.source, dim.block, dim.extent) for dim in layout.dims),
            tuple((place if place >= 0 else None, size) for place, size in layout.element),
        )

    def document(self) -> dict[str, Any]:
        """As JSON; `read` takes it back."""
        return {
            "dtype": self.dtype,
            "shape": list(self.shape),
            "dims": [{"axis": axis, "block": block, "extent": extent} for axis, block, extent in self.dims],
            "element": [{"axis": axis, "size": size} for axis, size in self.element],
        }

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Packed:
        """The tensor of a manifest's entry. Raises KeyError, TypeError or ValueError for one that is none."""
        found = cls(
            str(entry["name"]),
            np.dtype(str(entry["dtype"])).name,
            tuple(int(size) for size in entry["shape"]),
            tuple((int(dim["axis"]), int(dim["block"]), int(dim["extent"])) for dim in entry["dims"]),
            tuple(
                (None if part["axis"] is None else int(part["axis"]), int(part["size"]))
                for part in entry["element"]
            ),
        )
        if sorted(axis for axis, _, _ in found.dims) != list(range(len(found.shape))):
            raise ValueError("its dims are not those of its shape")
        inner = {axis: block for axis, block, _ in found.dims if block > 1}
        if {axis: size for axis, size in found.element if axis is not None} != inner:
            raise ValueError("its element does not hold its blocks")
        if any(found.shape[axis] > block * extent for axis, block, extent in found.dims):
            raise ValueError("its dims do not cover its shape")
        return found

    @property
    def elements(self) -> int:
        """Elements in DRAM."""
        return prod(extent for _, _, extent in self.dims)

    def pack(self, array: NDArray[Any]) -> NDArray[Any]:
        """What lies in DRAM: [elements, *element]. Raises SimulationError for an array of another size."""
        view = self._seen(array).astype(self.dtype)
        whole = self._whole()
        padded = np.pad(view, [(0, full - size) for full, size in zip(whole, self.shape, strict=True)])
        blocks = padded.reshape(self._split()).transpose(self._order())
        known = [size if axis is not None else 1 for axis, size in self.element]
        sizes = [size for _, size in self.element]
        return np.ascontiguousarray(
            np.broadcast_to(blocks.reshape(self.elements, *known), (self.elements, *sizes))
        )

    def unpack(self, elements: NDArray[Any]) -> NDArray[Any]:
        """The array of `shape` out of [elements, *element]; of repeated values the first."""
        first = tuple(slice(None) if axis is not None else slice(0, 1) for axis, _ in self.element)
        order = self._order()
        split = self._split()
        spread = elements[(slice(None), *first)].reshape([split[axis] for axis in order])
        full = spread.transpose(np.argsort(order)).reshape(self._whole())
        return np.ascontiguousarray(full[tuple(slice(0, size) for size in self.shape)])

    def _seen(self, array: NDArray[Any]) -> NDArray[Any]:
        if array.size != prod(self.shape):
            raise SimulationError(f"{self.name}: {array.size:,} numbers are given for the shape {self.shape}")
        return array.reshape(self.shape)

    def _whole(self) -> list[int]:
        """The shape with what fills the last blocks."""
        sizes = {axis: block * extent for axis, block, extent in self.dims}
        return [sizes[axis] for axis in range(len(self.shape))]

    def _split(self) -> list[int]:
        """Of every axis its blocks and what is in one."""
        sizes = {axis: (extent, block) for axis, block, extent in self.dims}
        return [size for axis in range(len(self.shape)) for size in sizes[axis]]

    def _order(self) -> Sequence[int]:
        """The axes of `_split` in DRAM's order; blocks of one coordinate, which have no room, at the end."""
        outer = [2 * axis for axis, _, _ in self.dims]
        inner = [2 * axis + 1 for axis, _ in self.element if axis is not None]
        rest = [2 * axis + 1 for axis, block, _ in self.dims if block == 1]
        return [*outer, *inner, *rest]
