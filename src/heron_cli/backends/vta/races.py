"""An exact check that the tokens of a program suffice: vector clocks instead of trying interleavings.

An instruction happens before another if a chain of program order within modules and of tokens leads from its
end to the other's begin. The k-th token pushed to a queue is the k-th popped, whatever the interleaving, so
one run of the queues gives the order that every run obeys. A race is a pair of accesses to one element of a
scratch-pad, at least one of them a write, that this order leaves open or turns round.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heron_cli.backends.vta.accesses import accesses
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.errors import ProgramError
from heron_cli.backends.vta.isa import Finish, Instruction, Memory, Module
from heron_cli.backends.vta.program import Program
from heron_cli.backends.vta.regions import Regions
from heron_cli.backends.vta.tokens import QUEUES, Queue, Streams, pops, pushes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

DRAM = "dram"


@dataclass(frozen=True, slots=True)
class Race:
    """Instructions `first` and `second` (in program order) touch elements [start, stop) of `memory`.

    The range spans all elements for which this is so, possibly with others between them. `memory` "dram":
    Finish may come before the transfer `first` has ended, and the range is empty.
    """

    first: int
    second: int
    memory: str
    start: int
    stop: int

    def __str__(self) -> str:
        if self.memory == DRAM:
            return f"instruction {self.second} may finish the program before {self.first} has ended"
        place = f"{self.memory} [{self.start}, {self.stop})"
        return f"instructions {self.first} and {self.second} race for {place}"


def races(program: Program, config: VtaConfig) -> list[Race]:
    """Races between accesses and the last conflicting ones before them; empty if and only if there is none.

    (A race between accesses further apart implies one of these: a scratch-pad has one module that writes it
    and one that reads it, and a module works in order, so the last accesses bound all earlier ones.)

    Raises:
        DeadlockError: instructions wait for tokens that are never pushed.
        ProgramError: tokens are left at the end, an index is outside its memory, or micro-ops were never
            loaded.
    """
    order = _Order(program.instructions)
    touched = accesses(program, config)
    regions = Regions(touched)
    found: list[Race] = []
    for index, access in enumerate(touched):
        reads, writes = regions.touched(access)
        for memory, spans in reads:
            if not order.holds(regions.latest_writer(memory, spans), index):
                found += _open(order, index, memory, regions.written[memory], regions.ranges(memory, spans))
            regions.reads(index, memory, spans)
        for memory, spans in writes:
            if not order.holds(regions.latest_reader(memory, spans), index):
                found += _open(order, index, memory, regions.read[memory], regions.ranges(memory, spans))
            regions.writes(index, memory, spans)
    return [*found, *order.unfinished()]


def _open(
    order: _Order, index: int, memory: Memory, last: list[int], ranges: Iterable[tuple[int, int, int]]
) -> Iterator[Race]:
    """Races of an instruction with those that accessed regions last, one for each of them."""
    spans: dict[int, tuple[int, int]] = {}
    for region, start, stop in ranges:
        first = last[region]
        if not order.holds(first, index):
            spans[first] = (spans.get(first, (start, stop))[0], stop)
    for first, (start, stop) in sorted(spans.items()):
        yield Race(first, index, memory.name.lower(), start, stop)


def most_tokens(program: Program) -> dict[Queue, int]:
    """The most tokens that can wait in each queue, in the worst interleaving.

    Raises:
        DeadlockError, ProgramError: as `races`.
    """
    order = _Order(program.instructions)
    popped: dict[Queue, list[int]] = {queue: [] for queue in QUEUES}  # places of the instructions that pop
    pushed: dict[Queue, list[int]] = {queue: [] for queue in QUEUES}  # instructions that push
    for index, item in enumerate(program.instructions):
        for queue in pops(item.module, item.flags):
            popped[queue].append(int(order.place[index]))
        for queue in pushes(item.module, item.flags):
            pushed[queue].append(index)
    most = {}
    for queue, producers in pushed.items():
        # A push finds the tokens before it gone only if the instructions that pop them must have ended.
        ended = order.clocks[producers, queue[1]]
        gone = np.searchsorted(np.array(popped[queue]), ended)
        most[queue] = int((np.arange(1, len(producers) + 1) - gone).max(initial=0))
    return most


def check_tokens(program: Program, config: VtaConfig) -> None:
    """Refuse more waiting tokens than the queues hold. Raises ProgramError, DeadlockError."""
    for (origin, target), count in most_tokens(program).items():
        if count > config.limits.tokens:
            said = f"{count:,} tokens may wait from {origin.name.lower()} to {target.name.lower()}"
            raise ProgramError(f"{said}; the queue holds {config.limits.tokens:,}")


class _Order:
    """What happens before what. `clocks` [n, 3]: instructions of each module that end before one begins."""

    def __init__(self, instructions: Sequence[Instruction]) -> None:
        self._instructions = instructions
        self._modules = np.array([item.module for item in instructions], np.int64)
        self.place = np.zeros(len(instructions), np.int64)  # position of an instruction in its module
        for module in Module:
            mine = np.flatnonzero(self._modules == module)
            self.place[mine] = np.arange(len(mine))
        self.clocks = self._run()

    def _run(self) -> Numbers:
        clocks = np.zeros((len(self._instructions), 3), np.int64)
        now = {module: [0, 0, 0] for module in Module}
        streams: Streams[tuple[int, ...]] = Streams(self._instructions)
        while ready := streams.ready():
            for module in ready:
                index, tokens = streams.begin(module)
                clock = now[module]
                for token in tokens:
                    clock[:] = map(max, clock, token)
                clocks[index] = clock
                clock[module] += 1
                streams.end(index, tuple(clock))
        streams.check_done()
        return clocks

    def holds(self, first: int, second: int) -> bool:
        """Whether `first` (-1: nothing) ends before `second` begins, in every run."""
        return first < 0 or bool(self.place[first] < self.clocks[second, self._modules[first]])

    def unfinished(self) -> Iterator[Race]:
        """The last load and the last store, where Finish does not wait for them."""
        for index, item in enumerate(self._instructions):
            if not isinstance(item, Finish):
                continue
            for module in (Module.LOAD, Module.STORE):
                mine = np.flatnonzero(self._modules[:index] == module)
                if len(mine) > self.clocks[index][module]:
                    yield Race(int(mine[-1]), index, DRAM, 0, 0)
