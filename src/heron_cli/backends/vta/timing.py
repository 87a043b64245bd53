"""An event model of a program's time: three modules in order, tokens, and one bus to DRAM.

An instruction begins when its module is free and its tokens are there, and is decoded. A transfer requests
its data at once; after `dram_latency`, as soon as the bus is free, its rows follow each other on the bus;
zeros of the padding are written afterwards. GEMM issues a step a cycle, held back where updates of one
accumulator come too close (`hazards.py`); ALU takes a fixed time for a step; both fill their pipeline once.
Tokens and the bus are taken in the order of the instructions' begin. The constants, and what is left out
(fetching instructions, full queues, interleaved bursts), are in docs/vta.md: a model to rank programs by.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from heron_cli.backends.vta.accesses import loops_key
from heron_cli.backends.vta.checks import dram_bytes
from heron_cli.backends.vta.config import TimingConstants, VtaConfig
from heron_cli.backends.vta.errors import DeadlockError
from heron_cli.backends.vta.hazards import issue_cycles
from heron_cli.backends.vta.isa import Alu, Finish, Gemm, Instruction, Load, Module, Store
from heron_cli.backends.vta.kernels import Kernel, kernels
from heron_cli.backends.vta.program import Program
from heron_cli.backends.vta.tokens import Streams


class Interval(NamedTuple):
    """When an instruction holds its module, [start, end) in cycles; waiting for tokens is not part of it."""

    instruction: int
    module: Module
    start: int
    end: int


class Work(NamedTuple):
    """What an instruction takes after decoding, in cycles: `bus` of DRAM's bus, `own` of its module alone."""

    bus: int
    own: int


@dataclass(frozen=True)
class Timing:
    """Modelled time of a program; `intervals` holds one for each instruction, in program order."""

    cycles: int
    bus_cycles: int
    gemm_steps: int
    spans: tuple[tuple[Module, int, int], ...]

    @cached_property
    def intervals(self) -> tuple[Interval, ...]:
        """When each instruction executes."""
        return tuple(Interval(index, *span) for index, span in enumerate(self.spans))

    def busy(self, module: Module) -> int:
        """Cycles in which a module executes."""
        return sum(end - start for mine, start, end in self.spans if mine is module)

    @property
    def utilisation(self) -> float:
        """Share of the cycles that the GEMM unit would need at a step a cycle."""
        return self.gemm_steps / self.cycles if self.cycles else 0.0


def time_program(program: Program, config: VtaConfig) -> Timing:
    """The modelled time of a program.

    Raises:
        DeadlockError: instructions wait for tokens that are never pushed.
        ProgramError: instructions execute micro-ops that were never loaded.
    """
    works = work(program, config)
    starts, ends = _run(program.instructions, works, config)
    spans = tuple(zip((item.module for item in program.instructions), starts, ends, strict=True))
    steps = sum(item.steps for item in program.instructions if isinstance(item, Gemm) and not item.reset)
    return Timing(max(ends, default=0), sum(each.bus for each in works), steps, spans)


def work(program: Program, config: VtaConfig) -> list[Work]:
    """What each instruction takes by itself. Raises ProgramError for micro-ops that were never loaded."""
    known: dict[tuple[object, ...], Work] = {}
    found = []
    for item, kernel in zip(program.instructions, kernels(program, config), strict=True):
        match item:
            case Load() | Store():
                found.append(_transfer(item, config))
            case Finish():
                found.append(Work(0, 0))
            case _:
                key = (kernel, *loops_key(item))
                if key not in known:
                    assert kernel is not None
                    known[key] = _computation(item, kernel, config)
                found.append(known[key])
    return found


def _transfer(item: Load | Store, config: VtaConfig) -> Work:
    row = row_cycles(item.x_size * dram_bytes(item.memory, config), config.timing)
    padded = item.sram_size - item.x_size * item.y_size
    return Work(item.y_size * row, padded * config.timing.pad_cycles)


def row_cycles(row_bytes: int, timing: TimingConstants) -> int:
    """Cycles of the bus for a row of a transfer."""
    data = -(-row_bytes // timing.bus_bytes)
    bursts = -(-row_bytes // timing.burst_bytes)
    return data + bursts * timing.row_cycles


def _computation(item: Gemm | Alu, kernel: Kernel, config: VtaConfig) -> Work:
    timing = config.timing
    if isinstance(item, Alu):
        step = timing.alu_register_cycles if item.immediate is None else timing.alu_immediate_cycles
        return Work(0, item.steps * step + timing.alu_fill)
    if item.reset:
        return Work(0, item.steps + timing.gemm_fill)
    outer, inner = (item.iter_out, item.dst_out), (item.iter_in, item.dst_in)
    issue = issue_cycles(kernel.rows[:, 0], outer, inner, timing.accumulator_distance)
    return Work(0, issue + timing.gemm_fill)


_Step = tuple[int, int, int, deque[int] | None, deque[int] | None, deque[int] | None, deque[int] | None]


def _run(
    instructions: Sequence[Instruction], works: Sequence[Work], config: VtaConfig
) -> tuple[list[int], list[int]]:
    """Begin and end of every instruction. The inner loop of tuning, hence plain lists and integers."""
    decode, latency = config.timing.decode_cycles, config.timing.dram_latency
    to_compute, to_load, to_store, back = (deque[int]() for _ in range(4))
    before = (None, to_compute, to_store)  # popped from the module before, by module
    after = (to_load, back, None)
    give_before = (None, to_load, back)
    give_after = (to_compute, to_store, None)
    streams: tuple[list[_Step], list[_Step], list[_Step]] = ([], [], [])
    for index, (item, each) in enumerate(zip(instructions, works, strict=True)):
        place, flags = item.module, item.flags
        streams[place].append(
            (
                index,
                each.bus,
                each.own,
                before[place] if flags.pop_previous else None,
                after[place] if flags.pop_next else None,
                give_before[place] if flags.push_previous else None,
                give_after[place] if flags.push_next else None,
            )
        )
    starts, ends = [0] * len(instructions), [0] * len(instructions)
    free, position, bus = [0, 0, 0], [0, 0, 0], 0
    while True:
        chosen, best = -1, 0
        for module in range(3):
            if position[module] == len(streams[module]):
                continue
            step = streams[module][position[module]]
            start = free[module]
            if (queue := step[3]) is not None:
                if not queue:
                    continue
                start = max(start, queue[0])
            if (queue := step[4]) is not None:
                if not queue:
                    continue
                start = max(start, queue[0])
            if chosen < 0 or start < best:
                chosen, best = module, start
        if chosen < 0:
            break
        index, on_bus, own, *queues = streams[chosen][position[chosen]]
        position[chosen] += 1
        for queue in queues[:2]:
            if queue is not None:
                queue.popleft()
        end = best + decode
        if on_bus:
            bus = end = max(end + latency, bus) + on_bus
        end += own
        starts[index], ends[index], free[chosen] = best, end, end
        for queue in queues[2:]:
            if queue is not None:
                queue.append(end)
    if any(position[module] < len(streams[module]) for module in range(3)):
        _explain(instructions)
    return starts, ends


def _explain(instructions: Sequence[Instruction]) -> None:
    """Raise the DeadlockError that says who waits for whom."""
    streams: Streams[None] = Streams(instructions)
    while ready := streams.ready():
        index, _ = streams.begin(ready[0])
        streams.end(index, None)
    streams.check_done()
    raise DeadlockError("deadlock")  # not reached: the queues here and there are the same
