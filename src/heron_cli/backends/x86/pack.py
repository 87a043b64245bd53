"""The packed weight: its layout, and the function that packs, which is exported with the kernel.

Layout, outermost first: axes that the weight shares with the output other than the lanes, tile of lane
blocks, reduction loops in the order of the nest, group of 4, lane block within the tile, lane, byte.
The last group is right-aligned when 4 does not divide the reduction: what it repeats has weight 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from heron_cli.backends import tir
from heron_cli.schedule.einsum import Axis
from heron_cli.schedule.nest import Nest


class PackedWeight:
    """Addresses in the packed weight, in bytes, and the pack function of a nest."""

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
    def bytes(self) -> int:
        """Size of the packed weight."""
        return self.panel * prod(axis.extent for axis in self.outer)

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
            tir.argument("weight", weight.dtype, prod(weight.shape()), 1),
            tir.argument("packed", weight.dtype, self.bytes, 64),
        ]
        (_, source), (_, target) = data

        def lanes(outer: Mapping[str, Any], base: Any) -> Any:
            return tir.loop("q", self.lanes.blocks, lambda q: self._blocks(source, target, outer, base, q))

        return tir.function(symbol, data, self._outer_loops({}, 0, lanes))

    def _outer_loops(self, at: Mapping[str, Any], base: Any, inner: Any) -> Any:
        if len(at) == len(self.outer):
            return inner(at, base)
        axis = self.outer[len(at)]
        size = self.panel * prod(a.extent for a in self.outer[len(at) + 1 :])
        return tir.loop(
            axis.name,
            axis.extent,
            lambda i: self._outer_loops({**at, axis.name: i}, base + i * size, inner),
        )

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
            return tir.loop(
                "lane",
                self.width,
                lambda lane: tir.loop(
                    "byte",
                    self.depth,
                    lambda byte: tir.store(
                        target,
                        panel + step * width * self.vector + lane * self.depth + byte,
                        self._value(source, {**outer, **at}, q, lane, byte),
                    ),
                ),
            )

        return reduce({}, 0, self.reduction)

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
        column = q * self.width
        if self.lanes.extent % self.width and self.lanes.extent > self.width:
            column = tir.minimum(column, self.lanes.extent - self.width)
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
        return value if condition is None else tir.guarded(condition, value, tir.zero(einsum.weight.dtype))

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
