from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from heron_cli.backends.vta.config import TimingConstants, VtaConfig
from heron_cli.backends.vta.errors import DeadlockError
from heron_cli.backends.vta.isa import Alu, AluOperation, Gemm, Instruction, Load, Memory, Module, Store, Uop
from heron_cli.backends.vta.program import Program, with_flags
from heron_cli.backends.vta.sync import without_tokens
from heron_cli.backends.vta.timing import Timing, Work, time_program, work

from .programs import CASES, link, one_tile, pipeline


@pytest.fixture
def simple(config: VtaConfig) -> VtaConfig:
    """Constants with which every term can be told apart."""
    timing = TimingConstants(
        bus_bytes=16,
        burst_bytes=64,
        dram_latency=100,
        row_cycles=3,
        pad_cycles=1,
        decode_cycles=2,
        gemm_fill=10,
        alu_fill=20,
        alu_immediate_cycles=1,
        alu_register_cycles=2,
        accumulator_distance=4,
    )
    return replace(config, timing=timing)


def spans(timing: Timing) -> list[tuple[int, int]]:
    return [(each.start, each.end) for each in timing.intervals]


def hand_written(config: VtaConfig) -> Program:
    code: list[Instruction] = [
        Load(Memory.UOP, 0, 0, 4),
        Gemm(0, 1, 4, 1, 1, reset=True),
        Load(Memory.INPUT, 0, 0, 5, 2, 5, pad_left=1),
        Load(Memory.WEIGHT, 0, 0, 1),
        Gemm(0, 1, 3, 1, 0, 0, 1, 0),
        Alu(AluOperation.ADD, 0, 1, 4, 1, 1, immediate=1),
        Store(0, 0, 4),
    ]
    sizes = [("input", Memory.INPUT, 10), ("weight", Memory.WEIGHT, 1), ("output", Memory.OUTPUT, 4)]
    return link(code, [Uop(0)] * 4, sizes, config)


def test_a_trace_by_hand(simple: VtaConfig) -> None:
    """The terms are those of the next test; decoding takes 2, the first data come 100 after a request."""
    timing = time_program(hand_written(simple), simple)
    assert spans(timing) == [
        (0, 128),  # micro-ops: requested at 2 as well, but the inputs have the bus until 124; 4
        (128, 144),  # reset: 2 + 14
        (0, 126),  # inputs: load comes before compute; requested at 2, on the bus from 102 to 124; 2 zeros
        (126, 256),  # weights: 126 + 2 + 100 + 28
        (256, 277),  # products, when the weights are there: 2 + 19
        (277, 303),  # sums: 2 + 24
        (303, 412),  # store, when the sums are there: 2 + 100 + 7
        (412, 414),  # finish, when all is stored
    ]
    assert timing.cycles == 414
    assert timing.bus_cycles == 22 + 4 + 28 + 7
    assert [timing.busy(module) for module in Module] == [256, 128 + 16 + 21 + 26 + 2, 109]
    assert timing.utilisation == 3 / 414


def test_what_each_instruction_takes_by_itself(simple: VtaConfig) -> None:
    assert work(hand_written(simple), simple) == [
        Work(1 + 3, 0),  # 16 bytes
        Work(0, 4 + 10),
        Work(2 * (5 + 2 * 3), 2),  # rows of 80 bytes in bursts of 64; a zero before each
        Work(16 + 4 * 3, 0),  # 256 bytes
        Work(0, 9 + 10),  # three updates of one accumulator: issued at 0, 4, 8
        Work(0, 4 + 20),
        Work(4 + 3, 0),
        Work(0, 0),
    ]


def test_alu_with_two_registers_takes_longer(simple: VtaConfig) -> None:
    code: list[Instruction] = [
        Load(Memory.UOP, 0, 0, 1),
        Load(Memory.ACCUMULATOR, 0, 0, 6),
        Alu(AluOperation.ADD, 0, 1, 3, 1, 1, 0, 1, 0),
    ]
    program = link(code, [Uop(0, 3)], [("values", Memory.ACCUMULATOR, 6)], simple)
    assert work(program, simple)[1:3] == [Work(24 + 6 * 3, 0), Work(0, 2 * 3 + 20)]


def test_double_buffering_hides_loads(config: VtaConfig) -> None:
    one, two = (time_program(pipeline(config, 3, 6, copies).program, config) for copies in (1, 2))
    assert two.cycles < one.cycles
    assert two.gemm_steps == one.gemm_steps == 3 * 6 * 2 * 3
    assert two.utilisation > one.utilisation


@pytest.mark.parametrize("name", CASES)
def test_modules_and_bus_do_one_thing_at_a_time(name: str, any_config: VtaConfig) -> None:
    program = CASES[name](any_config).program
    timing = time_program(program, any_config)
    for module in Module:
        mine = [each for each in timing.intervals if each.module is module]
        assert all(a.end <= b.start for a, b in pairwise(mine))
        assert timing.busy(module) == sum(each.end - each.start for each in mine) <= timing.cycles
    assert timing.cycles == max(each.end for each in timing.intervals) == timing.intervals[-1].end
    assert 0 < timing.bus_cycles < timing.cycles
    for each, own in zip(timing.intervals, work(program, any_config), strict=True):
        assert each.end - each.start >= own.bus + own.own


def test_without_tokens_nothing_waits(config: VtaConfig) -> None:
    program = pipeline(config).program
    assert time_program(without_tokens(program), config).cycles < time_program(program, config).cycles


def test_a_slower_bus_makes_it_slower(config: VtaConfig) -> None:
    program = pipeline(config).program
    slow = replace(config, timing=replace(config.timing, bus_bytes=4))
    assert time_program(program, slow).cycles > time_program(program, config).cycles


def test_a_deadlock_is_said(config: VtaConfig) -> None:
    program = one_tile(config).program
    load = program.instructions[3]
    program = with_flags(program, [(3, replace(load, flags=replace(load.flags, push_next=False)))])
    with pytest.raises(DeadlockError, match="compute at instruction 4 for a token from load"):
        time_program(program, config)
