from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.accelerator.loader import load
from heron_cli.backends.vta.accesses import Runs, accesses, elements
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.errors import ProgramError
from heron_cli.backends.vta.isa import Alu, AluOperation, Finish, Gemm, Instruction, Load, Memory, Store, Uop
from heron_cli.backends.vta.kernels import kernels
from heron_cli.backends.vta.program import UOPS, Program, place

CONFIG = VtaConfig.of(load("vta"))

small = st.integers(0, 9)
counts = st.integers(1, 7)


def program(code: list[Instruction], uops: list[Uop]) -> Program:
    tensors = place([(UOPS, Memory.UOP, len(uops))], CONFIG)
    return Program((Load(Memory.UOP, 0, 0, len(uops)), *code, Finish()), tuple(uops), tensors)


def listed(touched: tuple[tuple[Memory, Runs], ...]) -> set[tuple[Memory, int]]:
    return {
        (memory, element)
        for memory, runs in touched
        for start, stop in runs
        for element in range(start, stop)
    }


@given(
    st.lists(st.builds(Uop, small, small, small), min_size=1, max_size=5),
    counts,
    counts,
    st.tuples(small, small, small, small, small, small),
)
def test_computation_touches_what_its_steps_touch(
    uops: list[Uop], outer: int, inner: int, factors: tuple[int, ...]
) -> None:
    read, written, added = set(), set(), set()
    for o in range(outer):
        for i in range(inner):
            for uop in uops:
                dst = uop.dst + o * factors[0] + i * factors[1]
                src = uop.src + o * factors[2] + i * factors[3]
                wgt = uop.wgt + o * factors[4] + i * factors[5]
                written |= {(Memory.ACCUMULATOR, dst), (Memory.OUTPUT, dst)}
                read |= {(Memory.ACCUMULATOR, dst), (Memory.INPUT, src), (Memory.WEIGHT, wgt)}
                added |= {(Memory.ACCUMULATOR, dst), (Memory.ACCUMULATOR, src)}
    micro = {(Memory.UOP, index) for index in range(len(uops))}
    loops = (0, len(uops), outer, inner)
    code = [
        Gemm(*loops, *factors),
        Gemm(*loops, *factors, reset=True),
        Alu(AluOperation.ADD, *loops, *factors[:4]),
        Alu(AluOperation.ADD, *loops, *factors[:4], 1),
    ]
    _, gemm, reset, registers, immediate, _ = accesses(program(code, uops), CONFIG)
    assert listed(gemm.reads) == read | micro
    assert listed(reset.reads) == micro
    assert listed(registers.reads) == added | micro
    assert listed(immediate.reads) == {each for each in written if each[0] is Memory.ACCUMULATOR} | micro
    for each in (gemm, reset, registers, immediate):
        assert listed(each.writes) == written
        for _, runs in (*each.reads, *each.writes):
            assert all(start < stop for start, stop in runs)
            assert all(before[1] < after[0] for before, after in pairwise(runs))


def test_transfers_touch_compact_ranges() -> None:
    code: list[Instruction] = [
        Load(Memory.INPUT, 7, 0, 3, 2, 9, 1, 1, 2, 2),
        Load(Memory.NARROW, 1, 0, 2),
        Store(5, 0, 4, 3, 99),
    ]
    _, padded, narrow, store, finish = accesses(program(code, [Uop(0)]), CONFIG)
    assert padded.writes == ((Memory.INPUT, ((7, 7 + 7 * 4),)),)
    assert narrow.writes == ((Memory.ACCUMULATOR, ((1, 3),)),)
    assert store.reads == ((Memory.OUTPUT, ((5, 17),)),)
    assert padded.reads == narrow.reads == store.writes == finish.reads == finish.writes == ()


def test_elements_select_from_arrays() -> None:
    array = np.arange(20)
    assert array[elements(((3, 6),))].tolist() == [3, 4, 5]
    assert array[elements(((0, 1), (4, 6), (19, 20)))].tolist() == [0, 4, 5, 19]


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (Gemm(0, 1, 2, 1, dst_out=2047), "instruction 1: accumulator element 2048; it has 2,048"),
        (Gemm(0, 1, 1, 3, src_in=1024), "instruction 1: input element 2049; it has 2,048"),
        (Gemm(0, 1, 2, 2, wgt_out=1023, wgt_in=1), "instruction 1: weight element 1026; it has 1,024"),
        (Alu(AluOperation.ADD, 0, 1, 2, 1, src_out=2047), "instruction 1: accumulator element 2048"),
        (Gemm(0, 2), "instruction 1: executes micro-op 1, which was never loaded"),
        (Gemm(8191, 8192), "instruction 1: executes micro-op 8191, which was never loaded"),
    ],
)
def test_what_lies_outside_is_refused(item: Instruction, said: str) -> None:
    with pytest.raises(ProgramError, match=said):
        accesses(program([item], [Uop(1, 1, 2)]), CONFIG)


def test_the_last_element_can_be_reached() -> None:
    found = accesses(program([Gemm(0, 1, 16383, 1, 0, 0, 0, 0, 0), Gemm(0, 1, 2048, 1, 1)], [Uop(0)]), CONFIG)
    assert found[1].writes[0] == (Memory.ACCUMULATOR, ((0, 1),))
    assert found[2].writes[0] == (Memory.ACCUMULATOR, ((0, 2048),))


def test_micro_ops_are_those_that_the_memory_holds_at_the_time() -> None:
    uops = [Uop(0), Uop(1), Uop(2), Uop(0)]
    base = place([(UOPS, Memory.UOP, 4)], CONFIG)[0].base
    code: list[Instruction] = [
        Gemm(0, 2),
        Load(Memory.UOP, 0, base + 2, 2),
        Gemm(0, 2),
        Gemm(0, 1),
        Load(Memory.UOP, 5, base, 1),
        Gemm(1, 2),
        Gemm(5, 6),
    ]
    found = kernels(program(code, uops), CONFIG)
    executed = [None if kernel is None else kernel.rows[:, 0].tolist() for kernel in found]
    assert executed == [None, [0, 1], None, [2, 0], [2], None, [0], [0], None]
    assert found[6] is found[7]
