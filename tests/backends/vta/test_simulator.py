from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.errors import DeadlockError, ProgramError, SimulationError
from heron_cli.backends.vta.isa import (
    Alu,
    AluOperation,
    Flags,
    Gemm,
    Instruction,
    Load,
    Memory,
    Module,
    Store,
    Uop,
)
from heron_cli.backends.vta.program import Program, with_flags
from heron_cli.backends.vta.simulator import Interleaving, at_random, by_priority, in_program_order, simulate

from .programs import CASES, Case, epilogue, link, one_tile, padded, pipeline, random_array


def run(case: Case, config: VtaConfig, interleaving: Interleaving = in_program_order) -> None:
    result = simulate(case.program, config, case.tensors, interleaving)
    for name, due in case.due.items():
        assert result.stored[name].all()
        np.testing.assert_array_equal(result.outputs[name].reshape(due.shape), due)


@pytest.mark.parametrize("name", CASES)
def test_programs_compute_what_numpy_does(name: str, any_config: VtaConfig) -> None:
    run(CASES[name](any_config), any_config)


@pytest.mark.parametrize("name", CASES)
def test_every_interleaving_gives_the_same(name: str, config: VtaConfig) -> None:
    case = CASES[name](config)
    for order in permutations(Module):
        run(case, config, by_priority(order))
    for seed in range(20):
        run(case, config, at_random(seed))


def test_interleavings_differ(config: VtaConfig) -> None:
    case = pipeline(config)
    orders = {simulate(case.program, config, case.tensors, at_random(seed)).order for seed in range(20)}
    assert len(orders) > 10
    assert simulate(case.program, config, case.tensors).order == tuple(range(len(case.program.instructions)))


def test_random_interleavings_find_a_missing_token(config: VtaConfig) -> None:
    case = pipeline(config)
    bare = replace(
        case.program,
        instructions=tuple(replace(item, flags=Flags()) for item in case.program.instructions),
    )
    with pytest.raises((SimulationError, AssertionError)):
        for seed in range(20):
            run(replace(case, program=bare), config, at_random(seed))


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 3, 7), (16, 8, 2)])
def test_products_of_any_shape(shape: tuple[int, int, int], batch: int, config: VtaConfig) -> None:
    if batch > 1:
        config = replace(
            config,
            batch=batch,
            input=replace(config.input, shape=(batch, config.block_in)),
            accumulator=replace(config.accumulator, shape=(batch, config.block_out)),
            output=replace(config.output, shape=(batch, config.block_out)),
        )
    run(one_tile(config, *shape), config)


def test_products_whose_weights_come_unequally_often(config: VtaConfig) -> None:
    uops = [Uop(0, 0, 0), Uop(0, 1, 1), Uop(1, 1, 0), Uop(0, 2, 2), Uop(0, 0, 2), Uop(0)]
    source = random_array((3, *config.input.shape), "int8", 8)
    weight = random_array((3, *config.weight.shape), "int8", 9)
    code: list[Instruction] = [
        Load(Memory.UOP, 0, 0, 6),
        Load(Memory.INPUT, 0, 0, 3),
        Load(Memory.WEIGHT, 0, 0, 3),
        Gemm(5, 6, 2, 1, 1, reset=True),
        Gemm(0, 5),
        Store(0, 0, 2),
    ]
    sizes = [("input", Memory.INPUT, 3), ("weight", Memory.WEIGHT, 3), ("output", Memory.OUTPUT, 2)]
    due = np.zeros((2, *config.output.shape), np.int64)
    for uop in uops[:5]:
        due[uop.dst] += source[uop.src].astype(np.int64) @ weight[uop.wgt].astype(np.int64).T
    case = Case(
        link(code, uops, sizes, config), {"input": source, "weight": weight}, {"output": due.astype(np.int8)}
    )
    run(case, config)


def accumulators(
    config: VtaConfig, code: list[Instruction], uops: list[Uop], values: np.ndarray, stored: int
) -> np.ndarray:
    """What a program stores that loads `values` into the accumulators and then runs `code`."""
    program = link(
        [
            Load(Memory.UOP, 0, 0, len(uops)),
            Load(Memory.ACCUMULATOR, 0, 0, len(values)),
            *code,
            Store(0, 0, stored),
        ],
        uops,
        [("values", Memory.ACCUMULATOR, len(values)), ("output", Memory.OUTPUT, stored)],
        config,
    )
    return simulate(program, config, {"values": values}).outputs["output"]


def test_alu_steps_see_what_earlier_steps_wrote(config: VtaConfig) -> None:
    values = np.arange(5 * config.block_out, dtype=np.int32).reshape(5, 1, -1) % 13
    total = accumulators(config, [Alu(AluOperation.ADD, 0, 1, 1, 4, src_in=1)], [Uop(0, 1)], values, 1)
    np.testing.assert_array_equal(total[0], values.sum(0))
    chain = [
        Alu(AluOperation.ADD, 0, 1, 1, 4, dst_in=1, src_in=1),  # a[i + 1] += a[i], one after the other
        Alu(AluOperation.ADD, 1, 2, immediate=0),
    ]
    running = accumulators(config, chain, [Uop(1, 0), Uop(0)], values, 5)
    np.testing.assert_array_equal(running, values.cumsum(0))


def test_shift_by_registers_goes_both_ways(config: VtaConfig) -> None:
    values = np.zeros((2, 1, config.block_out), np.int32)
    values[0], values[1] = -5, [1, -2] * (config.block_out // 2)
    code: list[Instruction] = [Alu(AluOperation.SHIFT, 0, 1)]
    np.testing.assert_array_equal(
        accumulators(config, code, [Uop(0, 1)], values, 1)[0, 0], [-3, -20] * (config.block_out // 2)
    )
    values[1] = 32
    with pytest.raises(SimulationError, match="instruction 2: shifts by more than 31 bits"):
        accumulators(config, code, [Uop(0, 1)], values, 1)


def test_sums_wrap(config: VtaConfig) -> None:
    values = np.full((1, 1, config.block_out), 2**31 - 1, np.int32)
    code: list[Instruction] = [
        Alu(AluOperation.ADD, 0, 1, immediate=1),
        Alu(AluOperation.SHIFT, 0, 1, immediate=25),
    ]
    assert (accumulators(config, code, [Uop(0)], values, 1) == -64).all()


def test_narrow_loads_widen(config: VtaConfig) -> None:
    config = replace(config, limits=replace(config.limits, narrow_accumulator_load=1))
    values = random_array((3, 1, config.block_out), "int8", 10)
    program = link(
        [
            Load(Memory.UOP, 0, 0, 1),
            Load(Memory.NARROW, 0, 0, 3),
            Alu(AluOperation.SHIFT, 0, 1, 1, 3, 0, 1, immediate=1),
            Store(0, 0, 3),
        ],
        [Uop(0)],
        [("values", Memory.NARROW, 3), ("output", Memory.OUTPUT, 3)],
        config,
    )
    np.testing.assert_array_equal(
        simulate(program, config, {"values": values}).outputs["output"], values >> 1
    )


def test_multiplication_where_the_machine_has_it(config: VtaConfig) -> None:
    code: list[Instruction] = [Alu(AluOperation.MULTIPLY, 0, 1, immediate=-3)]
    values = np.full((1, 1, config.block_out), 7, np.int32)
    with pytest.raises(ProgramError, match="operation = MULTIPLY; this machine has MIN, MAX, ADD, SHIFT"):
        accumulators(config, code, [Uop(0)], values, 1)
    config = replace(config, limits=replace(config.limits, alu_operations=5))
    assert (accumulators(config, code, [Uop(0)], values, 1) == -21).all()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ([Load(Memory.INPUT, 0, 0, 1), Gemm(0, 1)], "reads weight 0, which was never written"),
        ([Load(Memory.WEIGHT, 0, 0, 1), Gemm(0, 1)], "reads input 0, which was never written"),
        (
            [Load(Memory.WEIGHT, 0, 0, 1), Load(Memory.INPUT, 0, 0, 1), Gemm(0, 1)],
            "instruction 3: reads accumulator 0, which was never written",
        ),
        ([Gemm(0, 1, reset=True), Store(0, 0, 2)], "instruction 2: reads output 1, which was never written"),
        ([Store(0, 0, 1)], "reads output 0, which was never written"),
        ([Gemm(0, 2, reset=True)], "instruction 1: executes micro-op 1, which was never loaded"),
        ([Gemm(0, 1, 5, 1, 700, reset=True)], "instruction 1: accumulator element 2800; it has 2,048"),
        ([Store(2047, 0, 2)], "instruction 1: output element 2048; it has 2,048"),
        ([Store(0, 1, 2)], "instruction 1: reaches element 3 of tensor output; it has 2"),
        ([Store(0, 2, 1)], "instruction 1: OUTPUT element .* of DRAM lies in no tensor"),
    ],
)
def test_programs_that_do_what_they_should_not(code: list[Instruction], said: str, config: VtaConfig) -> None:
    sizes = [("input", Memory.INPUT, 1), ("weight", Memory.WEIGHT, 1), ("output", Memory.OUTPUT, 2)]
    tensors = {
        "input": np.zeros((1, *config.input.shape), np.int8),
        "weight": np.zeros((1, *config.weight.shape), np.int8),
    }
    with pytest.raises(ProgramError, match=said):
        simulate(link([Load(Memory.UOP, 0, 0, 1), *code], [Uop(0)], sizes, config), config, tensors)


def test_an_accumulator_must_be_touched_between_its_load_and_its_store(config: VtaConfig) -> None:
    with pytest.raises(SimulationError, match="reads output 0, which was never written"):
        accumulators(config, [], [Uop(0)], np.zeros((1, 1, config.block_out), np.int32), 1)


def test_tensors_must_fit(config: VtaConfig) -> None:
    case = padded(config)
    with pytest.raises(SimulationError, match="tensor 'weight' is missing"):
        simulate(case.program, config, {"input": case.tensors["input"]})
    with pytest.raises(SimulationError, match="tensor 'input': 320 of int16; it has 320 of int8"):
        simulate(case.program, config, case.tensors | {"input": case.tensors["input"].astype(np.int16)})
    with pytest.raises(SimulationError, match="has no tensor 'bias'; it has input, weight, output"):
        simulate(case.program, config, case.tensors | {"bias": case.tensors["input"]})


def test_what_is_not_stored_keeps_its_value(config: VtaConfig) -> None:
    case = epilogue(config)
    short = [
        replace(item, x_size=2) if isinstance(item, Store) else item for item in case.program.instructions
    ]
    before = np.full(case.due["output"].shape, 3, np.int8)
    program = replace(case.program, instructions=tuple(short))
    result = simulate(program, config, case.tensors | {"output": before})
    assert result.stored["output"].tolist() == [True, True, False, False, False, False]
    np.testing.assert_array_equal(result.outputs["output"][:2], case.due["output"][:2])
    assert (result.outputs["output"][2:] == 3).all()
    assert (before == 3).all()


def changed(program: Program, index: int, **flags: bool) -> Program:
    item = program.instructions[index]
    return with_flags(program, [(index, replace(item, flags=replace(item.flags, **flags)))])


def test_a_deadlock_says_who_waits_for_whom(config: VtaConfig) -> None:
    case = one_tile(config)
    program = changed(case.program, 3, push_next=False)
    with pytest.raises(
        DeadlockError,
        match=r"deadlock: compute at instruction 4 for a token from load; store at instruction 5",
    ):
        simulate(program, config, case.tensors)


def test_tokens_that_are_left_are_an_error(config: VtaConfig) -> None:
    case = one_tile(config)
    with pytest.raises(ProgramError, match=r"tokens are left at the end: .* 1 from load to compute"):
        simulate(changed(case.program, 2, push_next=True), config, case.tensors)
