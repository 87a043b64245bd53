"""Shared scratch-pads cut into regions that no instruction touches in part, and who touched each last.

A program's instructions touch few different sets of elements, so there are few regions, and walking through
a long program costs little: that is what makes exact dependences affordable.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from heron_cli.backends.vta.accesses import SHARED, Access, Runs
from heron_cli.backends.vta.isa import Memory

Spans = tuple[tuple[int, int], ...]  # regions by number, [first, last)


class Regions:
    """The last instruction that wrote and that read each region of the shared scratch-pads; -1: none did."""

    def __init__(self, accesses: Sequence[Access]) -> None:
        cuts: dict[Memory, set[int]] = {memory: set() for memory in SHARED}
        different = list({id(access): access for access in accesses}.values())
        for access in different:
            for memory, runs in (*access.reads, *access.writes):
                if memory in cuts:
                    cuts[memory].update(edge for run in runs for edge in run)
        self._edges = {memory: sorted(edges) for memory, edges in cuts.items()}
        self.written = {memory: [-1] * len(edges) for memory, edges in self._edges.items()}
        self.read = {memory: [-1] * len(edges) for memory, edges in self._edges.items()}
        self._spans = {
            id(access): (self._shared(access.reads), self._shared(access.writes)) for access in different
        }

    def touched(
        self, access: Access
    ) -> tuple[tuple[tuple[Memory, Spans], ...], tuple[tuple[Memory, Spans], ...]]:
        """The regions that an access reads and writes, by memory."""
        return self._spans[id(access)]

    def latest_writer(self, memory: Memory, spans: Spans) -> int:
        """The last instruction that wrote any of the regions."""
        last = self.written[memory]
        return max(max(last[first:stop]) for first, stop in spans)

    def latest_reader(self, memory: Memory, spans: Spans) -> int:
        """The last instruction that read any of the regions."""
        last = self.read[memory]
        return max(max(last[first:stop]) for first, stop in spans)

    def reads(self, index: int, memory: Memory, spans: Spans) -> None:
        """An instruction reads."""
        last = self.read[memory]
        for first, stop in spans:
            last[first:stop] = [index] * (stop - first)

    def writes(self, index: int, memory: Memory, spans: Spans) -> None:
        """An instruction writes."""
        last = self.written[memory]
        for first, stop in spans:
            last[first:stop] = [index] * (stop - first)

    def ranges(self, memory: Memory, spans: Spans) -> Iterator[tuple[int, int, int]]:
        """(region, first element, element after the last) of every region."""
        edges = self._edges[memory]
        for first, stop in spans:
            for region in range(first, stop):
                yield region, edges[region], edges[region + 1]

    def _shared(self, touched: tuple[tuple[Memory, Runs], ...]) -> tuple[tuple[Memory, Spans], ...]:
        return tuple(
            (memory, tuple((bisect_left(edges, start), bisect_left(edges, stop)) for start, stop in runs))
            for memory, runs in touched
            if (edges := self._edges.get(memory)) is not None
        )
