"""The packed weight: its layout, and the code that packs: a function that is exported with the kernel, or,
for a weight that is not constant, a part of the kernel.

Layout, outermost first: axes that the weight shares with the output other than the lanes, tile of lane
blocks, reduction loops in the order of the nest, group of 4, lane block within the tile, lane, byte.
The last group is right-aligned when 4 does not divide the reduction: what it repeats has weight 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.x86 import inline
from heron_cli.elements import BYTES
from heron_cli.schedule.einsum import Axis
from heron_cli.schedule.nest import Nest


class PackedWeight:
    """Addresses in the packed weight, in elements, and the pack function of a nest."""

    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        einsum = nest.einsum
        lane, group = nest.intrinsic["n"], nest.intrinsic["k"]
        assert lane is not None and group is not None
        self.lane, self.group = lane, group
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
        lengths = [self._length(axis) for axis in self.reduction]
        self.steps = prod(lengths)
        self._stride = {axis.name: prod(lengths[i + 1 :]) for i, axis in enumerate(self.reduction)}
        self.panel = self.steps * self.lanes.blocks * self.vector

    @property
    def layout(self) -> tuple[Any, ...]:
        """Equal for weights whose pack functions are the same."""
        reduction = tuple((axis, self._length(axis)) for axis in self.reduction)
        return (self.nest.einsum.weight, tuple(self.outer), reduction, self.groups.extent, *self._lanes())

    def _lanes(self) -> tuple[Any, ...]:
        lanes = self.lanes
        return self.nest.einsum.axis(self.lane), lanes.base, lanes.longer, self.width, self.depth

    def _length(self, axis: Axis) -> int:
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

    def tile_base(self, tiles: Mapping[str, Any], blocks: int) -> Any:
        """Where the panel of a tile begins (`blocks` is its width; the outer axes have one point a tile)."""
        tile = tiles.get(self.lane, 0)
        block = tile * self.lanes.base
        if self.lanes.longer:
            block = block + tir.minimum(tile, self.lanes.longer)
        base = block * (self.steps * self.vector)
        for i, axis in enumerate(self.outer):
            base = base + tiles.get(axis.name, 0) * (self.panel * prod(a.extent for a in self.outer[i + 1 :]))
        return base

    def offset(self, taps: Mapping[str, Any], group: Any, blocks: int) -> Any:
        """From the panel's begin to the vectors of one group at given taps."""
        step = group * self._stride[self.group]
        for name, index in taps.items():
            step = step + index * self._stride[name]
        return step * (blocks * self.vector)

    def group_start(self, group: Any, last: bool) -> Any:
        """First iteration of a group of 4; the irregular last one ends with the axis."""
        return self.groups.extent - self.depth if last else group * self.depth

    def emit(self, symbol: str) -> Any:
        """The pack function: symbol(weight, packed)."""
        weight = self.nest.einsum.weight
        data = [
            tir.argument("weight", self.dtype, prod(weight.shape()), 1),
            tir.argument("packed", self.dtype, self.elements, 64),
        ]
        (_, source), (_, target) = data
        return tir.function(symbol, data, self.statement(source, target))

    def statement(self, source: Any, target: Any, *, parallel: bool = False) -> Any:
        """Packs the user's weight into a buffer; all panels are independent."""
        extents = [*(axis.extent for axis in self.outer), self.lanes.blocks]

        def body(panel: Any) -> Any:
            at, base = dict[str, Any](), 0
            for i, axis in enumerate(self.outer):
                inner = prod(extents[i + 1 :])
                value = panel // inner if inner > 1 else panel
                at[axis.name] = value % axis.extent if any(n > 1 for n in extents[:i]) else value
                base = base + at[axis.name] * (self.panel * prod(extents[i + 1 : -1]))
            q = panel % self.lanes.blocks if prod(extents) > self.lanes.blocks else panel
            return self._blocks(source, target, at, base, q)

        return tir.loop("q", prod(extents), body, parallel=parallel)

    def _blocks(self, source: Any, target: Any, outer: Mapping[str, Any], base: Any, q: Any) -> Any:
        """All reduction steps of one block of lanes."""
        first, width = self._tile_of(q)
        panel = base + first * (self.steps * self.vector) + (q - first) * self.vector

        def reduce(at: Mapping[str, Any], step: Any, rest: list[Axis]) -> Any:
            if rest:
                axis, *others = rest
                return tir.loop(
                    axis.name,
                    self._length(axis),
                    lambda i: reduce({**at, axis.name: i}, step + i * self._stride[axis.name], others),
                )
            place = panel + step * width * self.vector
            exact = tir.loop(
                "lane",
                self.width,
                lambda lane: tir.loop(
                    "byte",
                    self.depth,
                    lambda byte: tir.store(
                        target,
                        place + lane * self.depth + byte,
                        self._value(source, {**outer, **at}, q, lane, byte),
                    ),
                ),
            )
            whole = self._whole(source, target, place, {**outer, **at}, q)
            if whole is None:
                return exact
            regular = self.groups.extent // self.depth
            return tir.branch(
                tir.known(at[self.group] < regular, self.groups.blocks <= regular), whole, exact
            )

        return reduce({}, 0, self.reduction)

    def _whole(self, source: Any, target: Any, place: Any, at: Mapping[str, Any], q: Any) -> Any:
        """One vector of a whole group by vector operations, None where elements need a look one by one."""
        weight, axes = self.nest.einsum.weight, (self.lane, self.group)
        einsum = self.nest.einsum
        plain = all(len(axis.parts) == 1 for axis in einsum.axes if einsum.moves(axis, weight))
        extents = self.nest.einsum.iterators
        if not plain or self.lanes.extent < self.width or any(d.leaves(extents) for d in weight.dims):
            return None
        column = self._column(q)
        index = {**at, self.lane: column, self.group: at[self.group] * self.depth}
        begin = sum((index[n] * c * d.stride for d in weight.dims for n, c in d.terms), weight.offset())
        lane, byte = (weight.stride(axis) for axis in axes)
        if byte == 1:  # the bytes of a lane lie side by side
            return tir.loop(
                "lane",
                self.width,
                lambda i: tir.store(
                    target,
                    place + i * self.depth,
                    tir.load(source, begin + i * lane, self.depth),
                    self.depth,
                ),
            )
        if lane == 1:  # the lanes of a byte lie side by side
            rows = [tir.load(source, begin + b * byte, self.width) for b in range(self.depth)]
            order = [b * self.width + i for i in range(self.width) for b in range(self.depth)]
            return tir.store(target, place, tir.shuffle(rows, order), self.vector)
        return None

    def _column(self, q: Any) -> Any:
        """First lane of a block; the last block is shifted back to end with the axis."""
        column = q * self.width
        if self.lanes.extent % self.width and self.lanes.extent > self.width:
            column = tir.minimum(column, self.lanes.extent - self.width)
        return column

    def _tile_of(self, q: Any) -> tuple[Any, Any]:
        """First block and width of the tile that holds block q."""
        base, longer = self.lanes.base, self.lanes.longer
        if isinstance(q, int):
            return 0, self.lanes.blocks
        if not longer:
            return q // base * base, base
        head = longer * (base + 1)
        return (
            tir.select(q < head, q // (base + 1) * (base + 1), (q - head) // base * base + head),
            tir.select(q < head, tir.number(base + 1), tir.number(base)),
        )

    def _value(self, source: Any, at: Mapping[str, Any], q: Any, lane: Any, byte: Any) -> Any:
        """The weight that belongs in one byte, 0 beyond the data and for repeated iterations."""
        einsum = self.nest.einsum
        extent, group = self.groups.extent, at[self.group]
        column = self._column(q)
        index = {**at, self.lane: column + lane, self.group: group * self.depth + byte}
        conditions: list[Any] = []
        if self.lanes.extent < self.width:
            conditions.append(lane < self.lanes.extent)
        repeated = -extent % self.depth
        if repeated:
            last = tir.number(group) == self.groups.blocks - 1
            index[self.group] = tir.select(last, extent - self.depth + byte, group * self.depth + byte)
            conditions.append(tir.select(last, tir.number(byte) >= repeated, tir.number(1) == 1))
        parts = {name: value for axis in einsum.axes for name, value in split_parts(axis, index)}
        address: Any = 0
        for dim in einsum.weight.dims:
            coordinate = sum((parts[name] * c for name, c in dim.terms), dim.offset)
            address = address + coordinate * dim.stride
            low, high = dim.span({name: self._part_extent(name) for name, _ in dim.terms})
            if low < 0:
                conditions.append(coordinate >= 0)
            if high >= dim.extent:
                conditions.append(coordinate < dim.extent)
        value = tir.load(source, address)
        condition = tir.both(*conditions)
        return value if condition is None else tir.guarded(condition, value, tir.zero(self.dtype))

    def _part_extent(self, name: str) -> int:
        return next(part.extent for axis in self.nest.einsum.axes for part in axis.parts if part.name == name)


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
