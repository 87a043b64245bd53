"""How operands lie in DRAM: blocks of the GEMM unit's size, block indices outermost, the host packs.

The layout rule of the design: wherever the intrinsic touches a buffer, its dimensions are the trailing ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from heron_cli.backends.vta.config import VtaConfig
from heron_cli.schedule.einsum import Access, Dim, Einsum
from heron_cli.schedule.nest import Nest

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class BlockDim:
    """A dimension in DRAM: `extent` blocks of `block` coordinates; `source`: its place at the user's."""

    dim: Dim
    block: int
    extent: int
    source: int

    def coefficient(self, name: str, unit: int) -> int:
        """Blocks that one block of `unit` iterations of an iterator moves."""
        return self.dim.coefficient(name) * unit // self.block


@dataclass(frozen=True)
class Layout:
    """An operand in DRAM: its dimensions, outermost first, and the sizes of the block within an element."""

    access: Access
    dims: tuple[BlockDim, ...]
    element: tuple[
        tuple[int, int], ...
    ]  # (place in the user's tensor or -1, size) of the element's dimensions

    @property
    def elements(self) -> int:
        """Elements of the memory's kind."""
        return prod(dim.extent for dim in self.dims)

    def stride(self, place: int) -> int:
        """Elements between neighbours along the dimension at a place."""
        return prod(dim.extent for dim in self.dims[place + 1 :])

    def pack(self, array: NDArray[Any]) -> NDArray[Any]:
        """The user's tensor as [elements, *element block]; what is beyond the data is zero."""
        # an operand without the axis of a block's dimension is the same for all of it
        known = [size if place >= 0 else 1 for place, size in self.element]
        blocked = self._blocked(array.reshape(self.access.shape())).reshape(self.elements, *known)
        return np.ascontiguousarray(np.broadcast_to(blocked, (self.elements, *self._block())))

    def _block(self) -> tuple[int, ...]:
        return tuple(size for _, size in self.element)

    def unpack(self, elements: NDArray[Any]) -> NDArray[Any]:
        """The user's tensor, in the shape of the access, out of [elements, *element block]."""
        shape = [dim.extent for dim in self.dims] + [size for _, size in self.element]
        order = self._order()
        inverse = np.argsort([axis for axis in order if axis is not None])
        squeezed = elements.reshape([s for s, axis in zip(shape, order, strict=True) if axis is not None])
        spread = squeezed.transpose(inverse)
        full = spread.reshape([self._extent(i) for i in range(len(self.access.dims))])
        return np.ascontiguousarray(full[tuple(slice(0, dim.extent) for dim in self.access.dims)])

    def _extent(self, source: int) -> int:
        return next(dim.extent * dim.block for dim in self.dims if dim.source == source)

    def _order(self) -> list[int | None]:
        """For every dimension of the packed form, its axis in the split user's tensor (None: a unit)."""
        position: dict[tuple[int, bool], int] = {}
        for source in range(len(self.access.dims)):
            position[source, False] = len(position)
            if next(dim.block for dim in self.dims if dim.source == source) > 1:
                position[source, True] = len(position)
        outer: list[int | None] = [position[dim.source, False] for dim in self.dims]
        return outer + [position[source, True] if source >= 0 else None for source, _ in self.element]

    def _blocked(self, array: NDArray[Any]) -> NDArray[Any]:
        pads = [(0, self._extent(i) - size) for i, size in enumerate(array.shape)]
        padded = np.pad(array, pads)
        shape: list[int] = []
        for source in range(array.ndim):
            dim = next(d for d in self.dims if d.source == source)
            shape += [dim.extent, dim.block] if dim.block > 1 else [dim.extent]
        order = [axis for axis in self._order() if axis is not None]
        return np.ascontiguousarray(padded.reshape(shape).transpose(order))


def layout(
    access: Access, einsum: Einsum, blocks: Mapping[str, int], element: tuple[tuple[str | None, int], ...]
) -> Layout:
    """The layout of an operand.

    `blocks`: block size by axis (those that the intrinsic covers); `element`: (axis, size) of the element's
    dimensions, None for an axis that the intrinsic does not have. Dimensions of the batch alone come first,
    since a tile of one product is then one run; blocked ones follow.
    """
    parts = {part.name: axis for axis in einsum.axes for part in axis.parts}
    axes = {axis.name: axis for axis in einsum.axes}
    found: list[BlockDim] = []
    for source, dim in enumerate(access.dims):
        owners = [axes[name] if name in axes else parts[name] for name, _ in dim.terms]
        blocked = [axis for axis in owners if axis.name in blocks and blocks[axis.name] > 1]
        if blocked:
            (axis,) = blocked
            size = blocks[axis.name]
            found.append(BlockDim(dim, size, -(-max(axis.extent, dim.extent) // size), source))
        else:
            found.append(BlockDim(dim, 1, dim.extent, source))
    batch = {axis.name for axis in einsum.group("batch")}
    moving = [{name for name, _ in dim.dim.terms} for dim in found]
    ordered = sorted(
        found, key=lambda dim: -1 if set() < moving[dim.source] <= batch else int(dim.block == 1)
    )
    inner = []
    for name, size in element:
        place = next((dim.source for dim in found if dim.block > 1 and dim.dim.coefficient(str(name))), -1)
        inner.append((place, size))
    return Layout(access, tuple(ordered), tuple(inner))


@dataclass(frozen=True)
class Layouts:
    """The operands in DRAM."""

    input: Layout
    weight: Layout
    output: Layout
    added: tuple[Layout, ...] = ()  # what the epilogue adds, widened to accumulators, in its order

    @classmethod
    def of(cls, nest: Nest, config: VtaConfig) -> Layouts:
        """The layouts that a nest's intrinsic asks for."""
        m, n, k = (nest.intrinsic[dim] for dim in ("m", "n", "k"))
        sizes = {"m": config.batch, "n": config.block_out, "k": config.block_in}
        blocks = {axis: sizes[dim] for dim, axis in (("m", m), ("n", n), ("k", k)) if axis is not None}
        einsum = nest.einsum
        sums = ((m, config.batch), (n, config.block_out))
        return cls(
            layout(einsum.input, einsum, blocks, ((m, config.batch), (k, config.block_in))),
            layout(einsum.weight, einsum, blocks, ((n, config.block_out), (k, config.block_in))),
            layout(einsum.output, einsum, blocks, sums),
            tuple(layout(access, einsum, blocks, sums) for access in einsum.finishing),
        )
