"""The packed weight: where everything lies in it.

Layout, outermost first: axes that the weight shares with the output other than the lanes, tile of lane
blocks, reduction loops in the order of the nest, group of 4, lane block within the tile, lane, byte. Where
the instruction has several rows, groups are longer, and words of 4 bytes lie outside the lanes. The last
group is right-aligned when it does not divide the reduction: what it repeats has weight 0. Where lanes are a
batch it is filled up with zeros instead, since every row of the input is read for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.x86 import forms, inline, matrix
from heron_cli.elements import BYTES
from heron_cli.schedule.einsum import Axis
from heron_cli.schedule.nest import Nest


@dataclass(frozen=True)
class Panels:
    """A part of the packed weight in a buffer of its own: so many indices of each outer axis, so many blocks.

    `count` is how many blocks exist: fewer than `blocks` where tiles differ in size.
    """

    buffer: Any
    outer: tuple[tuple[Any, int], ...]  # (first index, how many) of each outer axis
    block: Any  # the first
    blocks: int
    count: Any


class PackedWeight:
    """Addresses in the packed weight of a nest, in elements; `packing.py` fills it."""

    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        einsum = nest.einsum
        lane, group = nest.lane, nest.intrinsic["k"]
        assert lane is not None and group is not None
        self.lane, self.group = lane, group
        self.filled = nest.batched
        names = einsum.weight.names()
        parts = {part.name for axis in einsum.axes for part in axis.parts if part.name in names}
        self.outer = [
            axis
            for axis in einsum.spatial
            if axis.name != lane and any(part.name in parts for part in axis.parts)
        ]
        order = [loop.axis for loop in nest.positions()]
        self.reduction = sorted(einsum.reduction, key=lambda axis: order.index(axis.name))
        self.lanes = nest.tilings[lane]
        self.groups = nest.tilings[group]
        self.width, self.depth = self.lanes.unit, self.groups.unit  # lanes of a vector, bytes of a lane
        self.vector = self.width * self.depth
        self.word = matrix.WORD // BYTES[einsum.weight.dtype] if matrix.suits(nest) else self.depth
        lengths = [self.length(axis) for axis in self.reduction]
        self.steps = prod(lengths)
        self.stride = {axis.name: prod(lengths[i + 1 :]) for i, axis in enumerate(self.reduction)}
        self.panel = self.steps * self.lanes.blocks * self.vector

    @property
    def layout(self) -> tuple[Any, ...]:
        """Equal for weights whose pack functions are the same."""
        reduction = tuple((axis, self.length(axis)) for axis in self.reduction)
        return (self.nest.einsum.weight, tuple(self.outer), reduction, self.groups.extent, *self._lanes())

    def _lanes(self) -> tuple[Any, ...]:
        lanes = self.lanes
        shape = (self.width, self.depth, self.word)
        return self.nest.einsum.axis(self.lane), lanes.base, lanes.longer, *shape, self.filled

    def length(self, axis: Axis) -> int:
        """Steps of a reduction axis."""
        return self.groups.blocks if axis.name == self.group else axis.extent

    @property
    def elements(self) -> int:
        """Length of the packed weight."""
        return self.panel * prod(axis.extent for axis in self.outer)

    @property
    def bytes(self) -> int:
        """Size of the packed weight."""
        return self.elements * BYTES[self.nest.einsum.weight.dtype]

    @property
    def dtype(self) -> str:
        """In which elements are moved."""
        return inline.carrier(self.nest.einsum.weight.dtype)

    def entire(self, buffer: Any) -> Panels:
        """All of it."""
        outer = tuple((0, axis.extent) for axis in self.outer)
        return Panels(buffer, outer, 0, self.lanes.blocks, self.lanes.blocks)

    def part(self, position: str, tiles: Mapping[str, Any]) -> Panels:
        """What the loops inside a position need, whose outer loops have come to these tiles."""
        counts = [self.nest.inside(position, axis.name) for axis in self.outer]
        outer = tuple((tiles.get(a.name, 0) * n, n) for a, n in zip(self.outer, counts, strict=True))
        inside = self.nest.inside(position, self.lane)
        tile = tiles.get(self.lane, 0) * inside
        begin, end = self._first_block(tile), self._first_block(tile + inside)
        blocks = min(self.lanes.blocks, inside * (self.lanes.base + (1 if self.lanes.longer else 0)))
        exact = inside == self.lanes.tiles or not self.lanes.longer
        elements = prod(counts) * blocks * self.steps * self.vector
        buffer = forms.workspace("packed", self.dtype, elements)
        return Panels(buffer, outer, begin, blocks, blocks if exact else end - begin)

    def _first_block(self, tile: Any) -> Any:
        block = tile * self.lanes.base
        return block + tir.minimum(tile, self.lanes.longer) if self.lanes.longer else block

    def tile_base(self, panels: Panels, tiles: Mapping[str, Any]) -> Any:
        """Where the panel of a tile begins; the outer axes have one point a tile."""
        base = (self._first_block(tiles.get(self.lane, 0)) - panels.block) * (self.steps * self.vector)
        strides = self.strides(panels)
        for axis, (first, _), stride in zip(self.outer, panels.outer, strides, strict=True):
            base = base + (tiles.get(axis.name, 0) - first) * stride
        return base

    def strides(self, panels: Panels) -> list[int]:
        """Elements between neighbours on each outer axis."""
        counts = [count for _, count in panels.outer]
        panel = self.steps * panels.blocks * self.vector
        return [panel * prod(counts[i + 1 :]) for i in range(len(counts))]

    def offset(self, taps: Mapping[str, Any], group: Any, blocks: int) -> Any:
        """From the panel's begin to the vectors of one group at given taps."""
        step = group * self.stride[self.group]
        for name, index in taps.items():
            step = step + index * self.stride[name]
        return step * (blocks * self.vector)

    def group_start(self, group: Any, last: bool) -> Any:
        """First iteration of a group of 4; the irregular last one ends with the axis or is filled up."""
        return self.groups.extent - self.depth if last and not self.filled else group * self.depth

    def element(self, lane: Any, byte: Any) -> Any:
        """Where the weight for one iteration of the group and one lane lies in a vector."""
        if self.word == self.depth:
            return lane * self.depth + byte
        return byte // self.word * (self.width * self.word) + lane * self.word + byte % self.word

    def column(self, q: Any) -> Any:
        """First lane of a block; the last block is shifted back to end with the axis."""
        column = q * self.width
        if self.lanes.extent % self.width and self.lanes.extent > self.width:
            column = tir.minimum(column, self.lanes.extent - self.width)
        return column

    def tile_of(self, q: Any) -> tuple[Any, Any]:
        """First block and width of the tile that holds block q."""
        base, longer = self.lanes.base, self.lanes.longer
        if not longer:
            return q // base * base, base
        head = longer * (base + 1)
        return (
            tir.select(q < head, q // (base + 1) * (base + 1), (q - head) // base * base + head),
            tir.select(q < head, tir.number(base + 1), tir.number(base)),
        )


def split_parts(axis: Axis, index: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The iterators of a fused axis at an index of it; nothing for an axis that has no index here."""
    if axis.name not in index:
        return []
    if len(axis.parts) == 1:
        return [(axis.parts[0].name, index[axis.name])]
    found = []
    for i, part in enumerate(axis.parts):
        inner = prod(other.extent for other in axis.parts[i + 1 :])
        value = index[axis.name] // inner if inner > 1 else index[axis.name]
        found.append((part.name, value % part.extent if i else value))
    return found
