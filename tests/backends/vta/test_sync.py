"""Tokens and the race check, against each other and against all pairs of instructions one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_cli.accelerator.loader import load
from heron_cli.backends.vta.accesses import SHARED, Runs, accesses
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.errors import DeadlockError, ProgramError
from heron_cli.backends.vta.isa import Finish, Flags, Gemm, Instruction, Load, Memory, Module, Store, Uop
from heron_cli.backends.vta.program import Program, with_flags
from heron_cli.backends.vta.races import Race, check_tokens, most_tokens, races
from heron_cli.backends.vta.sync import synchronise, token_count, without_tokens
from heron_cli.backends.vta.tokens import QUEUES, Queue, pops, pushes

from .programs import CASES, link, one_tile, pipeline

CONFIG = VtaConfig.of(load("vta"))


def tokens(program: Program) -> Iterator[tuple[Queue, int, int]]:
    """(queue, pushing instruction, popping instruction)."""
    for queue in QUEUES:
        numbered = list(enumerate(program.instructions))
        given = [index for index, item in numbered if queue in pushes(item.module, item.flags)]
        taken = [index for index, item in numbered if queue in pops(item.module, item.flags)]
        assert len(given) == len(taken)
        yield from ((queue, *pair) for pair in zip(given, taken, strict=True))


def changed(program: Program, index: int, flag: str, there: bool = False) -> Program:
    item = program.instructions[index]
    return with_flags(program, [(index, replace(item, flags=replace(item.flags, **{flag: there})))])


def without_push(program: Program, queue: Queue, index: int) -> Program:
    return changed(program, index, "push_next" if queue[1] > queue[0] else "push_previous")


def without_pop(program: Program, queue: Queue, index: int) -> Program:
    return changed(program, index, "pop_previous" if queue[1] > queue[0] else "pop_next")


def elements(runs: Runs) -> set[int]:
    return {element for start, stop in runs for element in range(start, stop)}


def every_pair_is_ordered(program: Program, config: VtaConfig) -> bool:
    """The definition, without shortcuts: reachability among all instructions, conflicts of all pairs."""
    items = program.instructions
    after: list[set[int]] = [set() for _ in items]
    for module in Module:
        mine = [index for index, item in enumerate(items) if item.module is module]
        for first, second in pairwise(mine):
            after[first].add(second)
    for _, first, second in tokens(program):
        after[first].add(second)
    reached: list[set[int]] = []
    for index in range(len(items)):
        todo, seen = [index], set[int]()
        while todo:
            for other in after[todo.pop()] - seen:
                seen.add(other)
                todo.append(other)
        reached.append(seen)
    touched = accesses(program, config)
    for second, item in enumerate(items):
        for first in range(second):
            conflict = isinstance(item, Finish) or any(
                memory == other and memory in SHARED and elements(mine) & elements(theirs)
                for one, two in (
                    (touched[first].reads, touched[second].writes),
                    (touched[first].writes, touched[second].reads),
                    (touched[first].writes, touched[second].writes),
                )
                for memory, mine in one
                for other, theirs in two
            )
            if conflict and second not in reached[first]:
                return False
    return True


@pytest.mark.parametrize("name", CASES)
def test_programs_have_no_races(name: str, any_config: VtaConfig) -> None:
    program = CASES[name](any_config).program
    assert races(program, any_config) == []
    assert every_pair_is_ordered(program, any_config)


@pytest.mark.parametrize("name", CASES)
def test_every_deleted_token_is_flagged(name: str, config: VtaConfig) -> None:
    program = CASES[name](config).program
    found = list(tokens(program))
    assert len(found) == token_count(program) > 0
    for queue, pushing, popping in found:
        assert races(without_pop(without_push(program, queue, pushing), queue, popping), config)
        with pytest.raises(DeadlockError):
            races(without_push(program, queue, pushing), config)
        with pytest.raises(ProgramError, match="tokens are left"):
            races(without_pop(program, queue, popping), config)


def test_races_name_instructions_memory_and_elements(config: VtaConfig) -> None:
    bare = without_tokens(one_tile(config, 3, 2, 4).program)
    assert races(bare, config) == [
        Race(2, 4, "input", 0, 12),
        Race(3, 4, "weight", 0, 8),
        Race(4, 5, "output", 0, 6),
        Race(3, 6, "dram", 0, 0),
        Race(5, 6, "dram", 0, 0),
    ]
    assert str(Race(2, 4, "input", 0, 12)) == "instructions 2 and 4 race for input [0, 12)"
    assert "6 may finish the program before 5 has ended" in str(Race(5, 6, "dram", 0, 0))


def test_order_that_is_turned_round_is_a_race(config: VtaConfig) -> None:
    """The second load may not come before the product that uses the first one's data."""
    program = one_tile(config).program
    moved = list(program.instructions)
    moved[2:5] = [moved[4], moved[2], moved[3]]
    assert Race(2, 3, "input", 0, 12) in races(replace(program, instructions=tuple(moved)), config)


def test_tokens_are_the_fewest(config: VtaConfig) -> None:
    """One tile: the second load's, the product's to the store, and the store's to finish."""
    assert [pair[1:] for pair in tokens(one_tile(config).program)] == [(3, 4), (4, 5), (5, 6)]


def test_double_buffers_free_each_other_one_stage_later(config: VtaConfig) -> None:
    """The load of stage s waits for the product of stage s - copies, not of s - 1."""
    for copies in (1, 2):
        program = pipeline(config, 1, 5, copies).program
        gemms = [
            i for i, item in enumerate(program.instructions) if isinstance(item, Gemm) and not item.reset
        ]
        freed = {second: first for queue, first, second in tokens(program) if queue[1] is Module.LOAD}
        loads = [
            i
            for i, item in enumerate(program.instructions)
            if isinstance(item, Load) and item.memory is Memory.INPUT
        ]
        assert freed == {loads[s]: gemms[s - copies] for s in range(copies, 5)}


def test_existing_tokens_are_discarded(config: VtaConfig) -> None:
    program = pipeline(config).program
    full = replace(
        program,
        instructions=tuple(
            replace(item, flags=Flags(True, True, True, True)) for item in program.instructions
        ),
    )
    assert synchronise(full, config) == synchronise(without_tokens(program), config) == program


def test_the_most_tokens_that_wait(config: VtaConfig) -> None:
    loads: list[Instruction] = [Load(Memory.INPUT, i, i, 1) for i in range(6)]
    code: list[Instruction] = [
        Load(Memory.UOP, 0, 0, 1),
        Load(Memory.WEIGHT, 0, 0, 1),
        Gemm(0, 1, reset=True),
        *(part for i in range(6) for part in (loads[i], Gemm(0, 1, 1, 1, src_in=i))),
        Gemm(0, 1),
        Store(0, 0, 1),
    ]
    # `src_in` does not move the source of a single iteration, so every product reads input 0 but the first.
    sizes = [("input", Memory.INPUT, 6), ("weight", Memory.WEIGHT, 1), ("output", Memory.OUTPUT, 1)]
    program = link(code, [Uop(0)], sizes, config)
    assert most_tokens(program)[Module.LOAD, Module.COMPUTE] == 2
    apart = [item for load in loads for item in (load, Gemm(load.sram_base, load.sram_base + 1))]
    uops = [Uop(0, i) for i in range(6)]
    program = link([Load(Memory.UOP, 0, 0, 6), *code[1:3], *apart], uops, sizes, config)
    assert most_tokens(program)[Module.LOAD, Module.COMPUTE] == 6
    check_tokens(program, config)
    tight = replace(config, limits=replace(config.limits, tokens=5))
    with pytest.raises(ProgramError, match="6 tokens may wait from load to compute; the queue holds 5"):
        check_tokens(program, tight)


@st.composite
def codes(draw: st.DrawFn) -> list[Instruction]:
    """Arbitrary traffic on a few elements of every scratch-pad."""
    small, size = st.integers(0, 5), st.integers(1, 3)
    code: list[Instruction] = []
    for kind in draw(st.lists(st.sampled_from("iwgrs"), min_size=1, max_size=14)):
        match kind:
            case "i" | "w":
                memory = Memory.INPUT if kind == "i" else Memory.WEIGHT
                code.append(Load(memory, draw(small), 0, draw(size)))
            case "g" | "r":
                begin, stride = draw(st.integers(0, 3)), draw(st.integers(0, 2))
                code.append(
                    Gemm(
                        begin, begin + draw(size), draw(size), 1, stride, 0, stride, 0, stride, 0, kind == "r"
                    )
                )
            case _:
                code.append(Store(draw(small), 0, draw(size)))
    return code


def linked(code: list[Instruction]) -> Program:
    uops = [Uop(0, 1, 0), Uop(2, 0, 4), Uop(5, 3, 1), Uop(1, 1, 1), Uop(4, 6, 2), Uop(0, 0, 0)]
    sizes = [("input", Memory.INPUT, 3), ("weight", Memory.WEIGHT, 3), ("output", Memory.OUTPUT, 3)]
    return link([Load(Memory.UOP, 0, 0, 6), *code], uops, sizes, CONFIG)


@given(codes())
@settings(max_examples=60)
def test_any_traffic_is_ordered_and_no_token_is_idle(code: list[Instruction]) -> None:
    program = linked(code)
    assert races(program, CONFIG) == []
    assert every_pair_is_ordered(program, CONFIG)
    for queue, pushing, popping in tokens(program):
        mutant = without_pop(without_push(program, queue, pushing), queue, popping)
        assert races(mutant, CONFIG)


@given(codes(), st.data())
@settings(max_examples=60)
def test_the_race_check_agrees_with_the_definition(code: list[Instruction], data: st.DataObject) -> None:
    """On programs with tokens that are arbitrary but balanced."""
    program = linked(code)
    for queue, pushing, popping in list(tokens(program)):
        if data.draw(st.booleans()):
            program = without_pop(without_push(program, queue, pushing), queue, popping)
    assert (races(program, CONFIG) == []) == every_pair_is_ordered(program, CONFIG)
