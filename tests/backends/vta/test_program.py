from __future__ import annotations

from dataclasses import replace

import pytest

from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.errors import ProgramError
from heron_cli.backends.vta.isa import Finish, Load, Memory, Store, Uop
from heron_cli.backends.vta.program import Program, Tensor, check_program, place

from .programs import pipeline


def test_tensors_are_placed_one_after_the_other_and_aligned(config: VtaConfig) -> None:
    tensors = place(
        [("a", Memory.INPUT, 3), ("b", Memory.WEIGHT, 2), ("c", Memory.OUTPUT, 1), ("u", Memory.UOP, 5)],
        config,
    )
    assert [(item.base, item.end) for item in tensors] == [(0, 3), (1, 3), (48, 49), (196, 201)]
    program = Program((Finish(),), (Uop(0),) * 5, tensors)
    check_program(program, config)
    assert program.image_bytes(config) == 201 * 4
    assert program.alignment(config) == 256
    assert place([("a", Memory.INPUT, 3)], config, start=17)[0].base == 2


def test_the_tensor_of_an_address(config: VtaConfig) -> None:
    program = Program((), (), (Tensor("a", Memory.INPUT, 4, 2), Tensor("b", Memory.INPUT, 9, 1)))
    found = [program.accessed(Load(Memory.INPUT, 0, base, 1)) for base in (3, 4, 5, 6, 9, 10)]
    assert [item.name if item else None for item in found] == [None, "a", "a", None, "b", None]
    assert program.accessed(Load(Memory.WEIGHT, 0, 4, 1)) is None
    assert program.tensor("b").base == 9
    with pytest.raises(KeyError):
        program.tensor("c")


def test_what_is_wrong_with_a_program(config: VtaConfig) -> None:
    good = pipeline(config).program
    check_program(good, config)
    a = Tensor("a", Memory.INPUT, 2000, 4)
    for change, said in (
        ({"instructions": good.instructions[:-1]}, "Finish stands at no place"),
        ({"instructions": (Finish(), *good.instructions)}, r"Finish stands at \[0, \d+\]"),
        (
            {"instructions": (Load(Memory.INPUT, 9999, 0, 1), Finish())},
            "instruction 0: Load: sram_base = 9",
        ),
        (
            {"instructions": (Load(Memory.INPUT, 0, 90, 1), Finish())},
            "INPUT element 90 of DRAM lies in no",
        ),
        ({"instructions": (Store(0, 0, 1), Finish())}, "OUTPUT element 0 of DRAM lies in no tensor"),
        (
            {"instructions": (Load(Memory.INPUT, 0, 4, 4, 5, 17), Finish())},
            "instruction 0: reaches element 76 of tensor input; it has 72",
        ),
        ({"uops": (*good.uops[:-1], Uop(-1))}, r"micro-op \d+: Uop: dst = -1"),
        ({"uops": good.uops[:-1]}, "tensor uops: 14 elements for 13 micro-ops"),
        ({"uops": ()}, "tensor uops: 14 elements for 0 micro-ops"),
        ({"tensors": good.tensors[:-1]}, "14 micro-ops in 0 tensors; one is due"),
        ({"tensors": (*good.tensors, a, replace(a, name="b", base=2003))}, "a and b overlap at byte 32048"),
        ({"tensors": (*good.tensors, a, a)}, "tensor 'a': names are distinct"),
        ({"tensors": (replace(a, name="é" * 21),)}, "of 1 to 40 bytes"),
        ({"tensors": (replace(a, name="a\n"),)}, "printable"),
        ({"tensors": (replace(a, elements=0),)}, "there must be one"),
        ({"tensors": (replace(a, base=2**32),)}, "the last that can be addressed is 4,294,967,295"),
    ):
        with pytest.raises(ProgramError, match=said):
            check_program(replace(good, **change), config)
