"""The code that packs a weight: a function that is exported with the kernel, or, for a weight that is not
constant, a part of the kernel, which packs all of it or what the loops within need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.x86 import forms, interleave
from heron_cli.backends.x86.pack import PackedWeight, Panels, split_parts
from heron_cli.elements import BYTES
from heron_cli.schedule.einsum import Axis


class Packing:
    """Emits what fills a packed weight."""

    def __init__(self, weight: PackedWeight) -> None:
        self.weight, self.einsum = weight, weight.nest.einsum
        self.lane, self.group = weight.lane, weight.group
        self.lanes, self.groups = weight.lanes, weight.groups
        self.width, self.depth, self.vector = weight.width, weight.depth, weight.vector
        access = self.einsum.weight
        moving = [axis for axis in self.einsum.axes if self.einsum.moves(axis, access)]
        self.plain = (
            all(len(axis.parts) == 1 for axis in moving)
            and self.lanes.extent >= self.width
            and not any(dim.leaves(self.einsum.iterators) for dim in access.dims)
        )
        fits = (self.width, self.depth, BYTES[access.dtype]) == interleave.SHAPE
        # a function that runs once, in advance, need not be fast
        wide = self.plain and fits and access.stride(self.lane) == 1 and not access.constant
        self.together = interleave.BLOCKS if wide else 1

    def function(self, symbol: str) -> Any:
        """The pack function: symbol(weight, packed)."""
        access, dtype = self.einsum.weight, self.weight.dtype
        data = [
            tir.argument("weight", dtype, prod(access.shape()), 1),
            tir.argument("packed", dtype, self.weight.elements, 64),
        ]
        (_, source), (_, target) = data
        return forms.function(symbol, data, self.statement(source, self.weight.entire(target)))

    def statement(self, source: Any, panels: Panels, *, parallel: bool = False) -> Any:
        """Packs a part of the user's weight into its buffer; all of it is independent of the rest."""
        extents = [*(count for _, count in panels.outer), -(-panels.blocks // self.together)]
        strides = self.weight.strides(panels)

        def body(index: Any) -> Any:
            at, base = dict[str, Any](), 0
            for i, (axis, (first, count)) in enumerate(zip(self.weight.outer, panels.outer, strict=True)):
                inner = prod(extents[i + 1 :])
                value = index // inner if inner > 1 else index
                local = value % count if any(n > 1 for n in extents[:i]) else value
                at[axis.name] = first + local
                base = base + local * strides[i]
            last = index % extents[-1] if prod(extents) > extents[-1] else index
            return self._some(source, panels, at, base, last * self.together)

        return tir.loop("q", prod(extents), body, parallel=parallel)

    def _some(self, source: Any, panels: Panels, outer: Mapping[str, Any], base: Any, local: Any) -> Any:
        """`together` blocks of a part at once where there are so many, none of them shifted; else each."""

        def single(i: Any) -> Any:
            q = local + i
            packed = self._blocks(source, panels, outer, base, [panels.block + q])
            exact = isinstance(panels.count, int) and panels.blocks % self.together == 0
            return packed if exact else tir.when(tir.number(q) < panels.count, packed)

        each = tir.loop("q1", self.together, single)
        regular = self.lanes.extent // self.width
        if self.together == 1 or min(regular, panels.blocks) < self.together:
            return each
        q = panels.block + local
        end = local + self.together
        several = self._blocks(source, panels, outer, base, [q + i for i in range(self.together)])
        whole = tir.both(tir.number(end) <= panels.count, tir.number(q + self.together) <= regular)
        return tir.branch(whole, several, each)

    def _blocks(
        self, source: Any, panels: Panels, outer: Mapping[str, Any], base: Any, blocks: Sequence[Any]
    ) -> Any:
        """All reduction steps of some blocks of lanes."""
        weight, begins, widths = self.weight, list[Any](), list[Any]()
        for q in blocks:
            first, width = weight.tile_of(q)
            begins.append(
                base + (first - panels.block) * (weight.steps * self.vector) + (q - first) * self.vector
            )
            widths.append(width)

        def reduce(at: Mapping[str, Any], step: Any, rest: Sequence[Axis]) -> Any:
            if rest:
                axis, *others = rest
                return tir.loop(
                    axis.name,
                    weight.length(axis),
                    lambda i: reduce({**at, axis.name: i}, step + i * weight.stride[axis.name], others),
                )
            places = [b + step * (w * self.vector) for b, w in zip(begins, widths, strict=True)]
            here = {**outer, **at}
            exact = tir.sequence(
                [self._exact(source, panels.buffer, p, here, q) for p, q in zip(places, blocks, strict=True)]
            )
            whole = self._whole(source, panels.buffer, places, here, blocks)
            if whole is None:
                return exact
            regular = self.groups.extent // self.depth
            return tir.branch(
                forms.known(at[self.group] < regular, self.groups.blocks <= regular), whole, exact
            )

        return reduce({}, 0, weight.reduction)

    def _whole(
        self, source: Any, target: Any, places: Sequence[Any], at: Mapping[str, Any], blocks: Sequence[Any]
    ) -> Any:
        """A vector of each block by vector operations, None where elements need a look one by one."""
        access = self.einsum.weight
        if not self.plain:
            return None
        index = {**at, self.lane: self.weight.column(blocks[0]), self.group: at[self.group] * self.depth}
        begin = sum((index[n] * c * d.stride for d in access.dims for n, c in d.terms), access.offset())
        lane, byte = access.stride(self.lane), access.stride(self.group)
        if len(blocks) > 1:
            rows = [begin + b * byte for b in range(self.depth)]
            return interleave.blocks(source, rows, target, places, self.weight.dtype)
        (place,) = places
        word = self.weight.word
        if byte != 1 and lane != 1:
            return None

        def words(w: Any) -> Any:
            """A word of every lane."""
            here, there = place + w * (self.width * word), begin + w * (word * byte)
            if byte == 1:  # the bytes of a lane lie side by side
                return tir.loop(
                    "lane",
                    self.width,
                    lambda i: tir.store(
                        target, here + i * word, tir.load(source, there + i * lane, word), word
                    ),
                )
            # the lanes of a byte lie side by side
            vectors = [tir.load(source, there + b * byte, self.width) for b in range(word)]
            order = [b * self.width + i for i in range(self.width) for b in range(word)]
            return tir.store(target, here, forms.shuffle(vectors, order), self.width * word)

        return tir.loop("word", self.depth // word, words)

    def _exact(self, source: Any, target: Any, place: Any, at: Mapping[str, Any], q: Any) -> Any:
        """A vector of one block, element by element."""

        def element(lane: Any, byte: Any) -> Any:
            value = self._value(source, at, q, lane, byte)
            return tir.store(target, place + self.weight.element(lane, byte), value)

        return tir.loop(
            "lane", self.width, lambda lane: tir.loop("byte", self.depth, lambda byte: element(lane, byte))
        )

    def _value(self, source: Any, at: Mapping[str, Any], q: Any, lane: Any, byte: Any) -> Any:
        """The weight that belongs in one byte, 0 beyond the data and for repeated iterations."""
        extent, group = self.groups.extent, at[self.group]
        index = {
            **at,
            self.lane: self.weight.column(q) + lane,
            self.group: group * self.depth + byte,
        }
        conditions: list[Any] = []
        if self.lanes.extent < self.width:
            conditions.append(lane < self.lanes.extent)
        repeated = -extent % self.depth
        if repeated and self.weight.filled:
            conditions.append(index[self.group] < extent)
        elif repeated:
            last = tir.number(group) == self.groups.blocks - 1
            index[self.group] = tir.select(last, extent - self.depth + byte, group * self.depth + byte)
            conditions.append(tir.select(last, tir.number(byte) >= repeated, tir.number(1) == 1))
        parts = {name: value for axis in self.einsum.axes for name, value in split_parts(axis, index)}
        extents = {part.name: part.extent for axis in self.einsum.axes for part in axis.parts}
        address: Any = 0
        for dim in self.einsum.weight.dims:
            coordinate = sum((parts[name] * c for name, c in dim.terms), dim.offset)
            address = address + coordinate * dim.stride
            low, high = dim.span({name: extents[name] for name, _ in dim.terms})
            if low < 0:
                conditions.append(coordinate >= 0)
            if high >= dim.extent:
                conditions.append(coordinate < dim.extent)
        value = tir.load(source, address)
        condition = tir.both(*conditions)
        return value if condition is None else tir.guarded(condition, value, tir.zero(self.weight.dtype))
