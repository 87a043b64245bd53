"""What a tile asks of the caches before it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.x86 import forms
from heron_cli.backends.x86.cases import Case
from heron_cli.backends.x86.stage import Source
from heron_cli.schedule.nest import Nest


class Ahead:
    """The prefetches of a nest; `output` says whether lines of the output are among them."""

    def __init__(self, nest: Nest, lane: str, width: int) -> None:
        self.nest, self.einsum = nest, nest.einsum
        self.lane, self.width = lane, width
        self.distance = nest.prefetch.get("weight", 0)
        self.output = bool(nest.prefetch.get("output"))
        self.next = self._next_input() if nest.prefetch.get("input") else None

    def _next_input(self) -> str | None:
        """The axis of the innermost loop that moves the input and lies inside its copy, if there is one."""
        loops = self.nest.inner_loops(self.nest.stage)
        moving = [
            loop.axis
            for loop in loops
            if self.nest.tilings[loop.axis].factor(loop.level) > 1
            and self.einsum.axis(loop.axis).group != "k"
            and self.einsum.moves(self.einsum.axis(loop.axis), self.einsum.input)
        ]
        return moving[-1] if moving else None

    def weights(self, packed: Any, places: Sequence[Any], length: int) -> list[Any]:
        """Vectors some way behind those that are loaded."""
        if not self.distance:
            return []
        return [forms.prefetch(packed, place + self.distance * length) for place in places]

    def inputs(self, source: Source, place: Any, case: Case) -> list[Any]:
        """What the next tile reads where this one reads `place`."""
        if self.next is None:
            return []
        size = case.size(self.next) * (self.width if self.next == self.lane else 1)
        return [forms.prefetch(source.buffer, place + source.offset({self.next: size}))]

    def lines(
        self, output: Any, base: Any, first: Any, case: Case, blocks: int, index: Any, count: int
    ) -> list[Any]:
        """The part of a tile's lines that iteration `index` of `count` asks for, to write them later.

        `base` is where the tile's first point begins, `first` its first block of lanes. They are spread over
        the iterations because a core has few requests under way at a time, which loads need as well.
        """
        axes = [axis.name for axis in self.einsum.spatial if axis.name != self.lane]
        lines = blocks
        for name in axes:
            lines *= case.size(name)
        share = -(-lines // count)
        asked = []
        for i in range(share):
            line = index * share + i
            if isinstance(line, int):
                if line >= lines:
                    break
            elif share * count > lines:
                line = tir.minimum(line, lines - 1)
            place = base + (first + line % blocks) * self.width
            point = line // blocks
            for name in reversed(axes):
                size = case.size(name)
                if size > 1:
                    place = place + point % size * self.einsum.output.stride(name)
                    point = point // size
            asked.append(forms.prefetch(output, place, write=True))
        return asked
