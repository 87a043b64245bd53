from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.accelerator.loader import load
from heron_cli.backends.vta.checks import bounds, check_instruction, uop_bounds
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.encoding import decode, decode_uop, encode, encode_uop, widths
from heron_cli.backends.vta.errors import IsaError
from heron_cli.backends.vta.isa import (
    Alu,
    AluOperation,
    Finish,
    Flags,
    Gemm,
    Instruction,
    Load,
    Memory,
    Module,
    Store,
    Uop,
)

from .conftest import NAMES

CONFIGS = [VtaConfig.of(load(name)) for name in NAMES]
EVERY = [
    Load(Memory.UOP, 0, 0, 1),
    Load(Memory.INPUT, 0, 0, 1),
    Load(Memory.WEIGHT, 0, 0, 1),
    Load(Memory.ACCUMULATOR, 0, 0, 1),
    Store(0, 0, 1),
    Gemm(0, 1),
    Gemm(0, 1, reset=True),
    *(Alu(operation, 0, 1) for operation in AluOperation if operation < 4),
    *(Alu(operation, 0, 1, immediate=0) for operation in AluOperation if operation < 4),
    Finish(),
]


@pytest.mark.parametrize("item", EVERY, ids=str)
def test_every_bound_of_every_field(item: Instruction, any_config: VtaConfig) -> None:
    """The smallest and the largest value survive; one less and one more is refused by name, value, limit."""
    for name, low, high in bounds(item, any_config):
        for value in (low, high):
            changed = fitting(item, name, value, any_config)
            if changed is not None:
                assert decode(encode(changed, any_config), any_config) == changed
        for value in (low - 1, high + 1):
            with pytest.raises(IsaError, match=f"{name} = {value:,}; it is from {low:,} to {high:,}"):
                encode(replace(item, **{name: value}), any_config)
        with pytest.raises(IsaError, match=f"{name} = 0.5; it is an integer"):
            encode(replace(item, **{name: 0.5}), any_config)


def fitting(item: Instruction, name: str, value: int, config: VtaConfig) -> Instruction | None:
    """`item` with one field changed, and what must change with it; None if the rest cannot follow."""
    changes: dict[str, Any] = {name: value}
    if name == "uop_begin":
        changes["uop_end"] = value + 1
    changed = replace(item, **changes)
    try:
        check_instruction(changed, config)
    except IsaError as error:
        # Transfers are bounded by the scratch-pad, too, and micro-ops are loaded in one row.
        assert "elements" in str(error) or "one row" in str(error)
        return None
    return changed


@st.composite
def instructions(draw: st.DrawFn) -> tuple[VtaConfig, Instruction]:
    config = draw(st.sampled_from(CONFIGS))
    item = draw(st.sampled_from(EVERY))
    changes: dict[str, Any] = {
        name: draw(st.integers(low, high) | st.sampled_from([low, high]))
        for name, low, high in bounds(item, config)
    }
    if isinstance(item, Gemm | Alu):
        changes["uop_end"] = draw(st.integers(changes["uop_begin"] + 1, config.uop.depth))
    if isinstance(item, Load | Store):
        room = config.uop.depth
        if item.memory is not Memory.UOP:
            room = min(config.weight.depth, config.input.depth, config.accumulator.depth)
        changes["sram_base"] = draw(st.integers(0, room - 1))
        room -= changes["sram_base"]
        changes["x_size"] = draw(st.integers(1, room))
        changes["y_size"] = (
            1 if item.memory is Memory.UOP else draw(st.integers(1, room // changes["x_size"]))
        )
        for side in ("pad_top", "pad_bottom", "pad_left", "pad_right"):
            if side in changes:
                changes[side] = 0
    flags = {name: draw(st.booleans()) for name in Flags.__dataclass_fields__}
    if item.module is Module.LOAD:
        flags |= {"pop_previous": False, "push_previous": False}
    if item.module is Module.STORE:
        flags |= {"pop_next": False, "push_next": False}
    return config, replace(item, **changes, flags=Flags(**flags))


@given(instructions())
def test_round_trip(case: tuple[VtaConfig, Instruction]) -> None:
    config, item = case
    data = encode(item, config)
    assert len(data) == 16
    assert decode(data, config) == item


@given(st.binary(min_size=16, max_size=16), st.sampled_from(CONFIGS))
def test_any_bytes_are_an_instruction_or_refused(data: bytes, config: VtaConfig) -> None:
    try:
        item = decode(data, config)
    except IsaError as error:
        assert "\n" not in str(error)
    else:
        assert encode(item, config) == data


@given(st.binary(min_size=4, max_size=4), st.sampled_from(CONFIGS))
def test_any_word_is_a_micro_op_or_refused(data: bytes, config: VtaConfig) -> None:
    try:
        uop = decode_uop(data, config)
    except IsaError:
        return
    assert encode_uop(uop, config) == data


def test_bounds_of_micro_ops(any_config: VtaConfig) -> None:
    for name, low, high in uop_bounds(any_config):
        for value in (low, high):
            uop = replace(Uop(0), **{name: value})
            assert decode_uop(encode_uop(uop, any_config), any_config) == uop
        for value in (low - 1, high + 1):
            with pytest.raises(IsaError, match=f"Uop: {name} = {value:,}; it is from {low:,} to {high:,}"):
                encode_uop(replace(Uop(0), **{name: value}), any_config)


def test_the_published_layout(config: VtaConfig) -> None:
    """Bit positions by hand from hw_spec.h's order and widths."""
    load = Load(Memory.INPUT, 5, 7, 3, 2, 9, 1, 2, 3, 4, Flags(pop_next=True, push_next=True))
    low = 0 | 1 << 4 | 1 << 6 | 2 << 7 | 5 << 10 | 7 << 26
    high = 2 | 3 << 16 | 9 << 32 | 1 << 48 | 2 << 52 | 3 << 56 | 4 << 60
    assert encode(load, config) == struct.pack("<QQ", low, high)
    gemm = Gemm(1, 8192, 3, 4, 5, 6, 7, 8, 9, 10, True, Flags(True, True, True, True))
    low = 2 | 15 << 3 | 1 << 7 | 1 << 8 | 8192 << 21 | 3 << 35 | 4 << 49
    high = 5 | 6 << 11 | 7 << 22 | 8 << 33 | 9 << 44 | 10 << 54
    assert encode(gemm, config) == struct.pack("<QQ", low, high)
    alu = Alu(AluOperation.SHIFT, 0, 1, 3, 4, 5, 6, 7, 8, -2)
    low = 4 | 1 << 21 | 3 << 35 | 4 << 49
    high = 5 | 6 << 11 | 7 << 22 | 8 << 33 | 3 << 44 | 1 << 47 | 0xFFFE << 48
    assert encode(alu, config) == struct.pack("<QQ", low, high)
    assert encode(Finish(), config) == struct.pack("<QQ", 3, 0)
    assert encode_uop(Uop(1, 2, 3), config) == struct.pack("<I", 1 | 2 << 11 | 3 << 22)
    assert all(used <= width for _, used, width in widths(config))


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (Gemm(3, 3), "uop_end = 3; it must be above uop_begin = 3"),
        (Load(Memory.OUTPUT, 0, 0, 1), "memory = OUTPUT"),
        (Load(Memory.NARROW, 0, 0, 1), "this machine has no narrow_accumulator_load"),
        (Load(Memory.UOP, 0, 0, 1, 2), "y_size = 2; micro-ops are loaded in one row"),
        (Load(Memory.WEIGHT, 0, 0, 1, pad_left=1), "pad_left = 1; it is from 0 to 0"),
        (Load(Memory.INPUT, 2040, 0, 4, 1, pad_right=5), r"input \[2040, 2049\); it has 2,048 elements"),
        (Load(Memory.INPUT, 0, 0, 1, flags=Flags(pop_previous=True)), "the load module has none before it"),
        (Store(0, 0, 1, flags=Flags(push_next=True)), "the store module has none after it"),
        (Alu(AluOperation.SHIFT, 0, 1, immediate=32), "immediate = 32; it is from -31 to 31"),
        (Alu(AluOperation.MULTIPLY, 0, 1), "operation = MULTIPLY; this machine has MIN, MAX, ADD, SHIFT"),
    ],
)
def test_what_no_module_executes(item: Instruction, said: str, config: VtaConfig) -> None:
    with pytest.raises(IsaError, match=said):
        encode(item, config)


def word(low: int, high: int) -> bytes:
    return struct.pack("<QQ", low, high)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: word(5, 0), "opcode = 5: no such instruction"),
        (lambda: word(3 | 1 << 20, 0), "FINISH: unused bits of word 0 are set"),
        (lambda: word(3, 1), "FINISH: unused bits of word 1 are set"),
        (lambda: word(0 | 6 << 7, 1 | 1 << 16), "memory = 6; there are 0 to 5"),
        (lambda: word(1 | 2 << 7, 1 | 1 << 16), "STORE: memory = 2; it must be 4"),
        (lambda: word(1 | 4 << 7, 1 | 1 << 16 | 1 << 48), "STORE: pad_top = 1; it must be 0"),
        (lambda: word(4 | 1 << 7 | 1 << 21, 0), "ALU: reset = 1; it must be 0"),
        (lambda: word(4 | 1 << 21 | 1 << 35 | 1 << 49, 7 << 44), "operation = 7; there are 0 to 4"),
        (lambda: word(4 | 1 << 21 | 1 << 35 | 1 << 49, 1 << 48), "ALU: immediate = 1; it must be 0"),
        (lambda: b"short", "an instruction has 16 bytes, not 5"),
    ],
)
def test_words_that_are_no_instruction(make: Callable[[], bytes], said: str, config: VtaConfig) -> None:
    with pytest.raises(IsaError, match=said):
        decode(make(), config)
