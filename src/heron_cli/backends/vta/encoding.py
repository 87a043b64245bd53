"""Instructions as 128-bit words: which field lies where, and back.

Two little-endian words of 64 bits; fields from bit 0 up, none crosses a word, unused bits are 0. Every word
begins with the opcode (3 bits) and the four flags of tokens. Source: apache/tvm-vta, hw_spec.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import accumulate
from typing import Any

from heron_cli.backends.vta.checks import check_instruction, check_uop
from heron_cli.backends.vta.config import VtaConfig
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
    Opcode,
    Store,
    Uop,
)

INSTRUCTION_BYTES = 16
UOP_BYTES = 4
_WORD_BITS = 64
_WORDS = struct.Struct("<QQ")
_WORD = struct.Struct("<I")
_HEAD = (("opcode", 3), ("pop_previous", 1), ("pop_next", 1), ("push_previous", 1), ("push_next", 1))

Fields = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Names and widths of the fields, from bit 0 up: of each instruction's two words, and of a micro-op."""

    words: dict[Opcode, tuple[Fields, Fields]]
    uop: Fields


@lru_cache(maxsize=16)
def layout(config: VtaConfig) -> Layout:
    """The layout that follows from the depths of the memories and the largest values of the fields."""
    limits = config.limits
    dst, src, wgt = config.accumulator.index_bits, config.source_bits, config.weight.index_bits
    size, pad, count = (value.bit_length() for value in (limits.dma_elements, limits.pad, limits.iterations))
    sides = tuple((f"pad_{side}", pad) for side in ("top", "bottom", "left", "right"))
    places = (("sram_base", limits.dma_sram.bit_length()), ("dram_base", limits.dma_dram.bit_length()))
    transfer = (
        (*_HEAD, ("memory", 3), *places),
        (("y_size", size), ("x_size", size), ("x_stride", size), *sides),
    )
    loops = (
        *_HEAD,
        ("reset", 1),
        ("uop_begin", config.uop.index_bits),
        ("uop_end", config.uop.index_bits + 1),
        ("iter_out", count),
        ("iter_in", count),
    )
    factors = (("dst_out", dst), ("dst_in", dst), ("src_out", src), ("src_in", src))
    immediate = limits.immediate.bit_length() + 1
    return Layout(
        words={
            Opcode.LOAD: transfer,
            Opcode.STORE: transfer,
            Opcode.GEMM: (loops, (*factors, ("wgt_out", wgt), ("wgt_in", wgt))),
            Opcode.FINISH: (_HEAD, ()),
            Opcode.ALU: (
                loops,
                (*factors, ("operation", 3), ("use_immediate", 1), ("immediate", immediate)),
            ),
        },
        uop=(("dst", dst), ("src", src), ("wgt", wgt)),
    )


def widths(config: VtaConfig) -> Iterator[tuple[str, int, int]]:
    """(what, bits taken, bits there are) for every word of the instruction set."""
    found = layout(config)
    for opcode, words in found.words.items():
        for number, each in enumerate(words):
            yield f"word {number} of {opcode.name}", sum(width for _, width in each), _WORD_BITS
    yield "a micro-op", sum(width for _, width in found.uop), 8 * UOP_BYTES


def encode(instruction: Instruction, config: VtaConfig) -> bytes:
    """The 16 bytes of an instruction.

    Raises:
        IsaError: a field that the instruction set cannot express, by name, value and limit.
    """
    check_instruction(instruction, config)
    return encode_checked(instruction, config)


def encode_checked(instruction: Instruction, config: VtaConfig) -> bytes:
    """As `encode`, for an instruction that is known to be right."""
    flags = instruction.flags
    opcode = _OPCODES[instruction.__class__]
    low = opcode | flags.pop_previous << 3 | flags.pop_next << 4
    low |= flags.push_previous << 5 | flags.push_next << 6
    high = 0
    plan = _plan(opcode, config)
    for name, shift in plan.low:
        low |= getattr(instruction, name) << shift
    for name, shift in plan.high:
        high |= getattr(instruction, name) << shift
    if isinstance(instruction, Store):
        low |= Memory.OUTPUT << plan.special[0]
    elif isinstance(instruction, Alu) and instruction.immediate is not None:
        use, place, mask = plan.special
        high |= 1 << use | (instruction.immediate & mask) << place
    return _WORDS.pack(low, high)


def decode(data: bytes, config: VtaConfig) -> Instruction:
    """The instruction of 16 bytes, which `encode` would give again.

    Raises:
        IsaError: no such instruction, a field over its limit, or unused bits that are set.
    """
    if len(data) != INSTRUCTION_BYTES:
        raise IsaError(f"an instruction has {INSTRUCTION_BYTES} bytes, not {len(data)}")
    words = _WORDS.unpack(data)
    try:
        opcode = Opcode(words[0] & 7)
    except ValueError:
        raise IsaError(
            f"opcode = {words[0] & 7}: no such instruction; there are 0 to {max(Opcode)}"
        ) from None
    values: dict[str, Any] = {}
    for number, each in enumerate(layout(config).words[opcode]):
        if words[number] >> sum(width for _, width in each):
            raise IsaError(f"{opcode.name}: unused bits of word {number} are set")
        values |= _unpack(words[number], each)
    found = _instruction(opcode, values, config)
    check_instruction(found, config)
    return found


def encode_uop(uop: Uop, config: VtaConfig) -> bytes:
    """The 4 bytes of a micro-op. Raises IsaError."""
    check_uop(uop, config)
    (_, dst), (_, src), _ = layout(config).uop
    return _WORD.pack(uop.dst | uop.src << dst | uop.wgt << dst + src)


def decode_uop(data: bytes, config: VtaConfig) -> Uop:
    """The micro-op of 4 bytes. Raises IsaError."""
    if len(data) != UOP_BYTES:
        raise IsaError(f"a micro-op has {UOP_BYTES} bytes, not {len(data)}")
    (word,) = _WORD.unpack(data)
    known = layout(config).uop
    if word >> sum(width for _, width in known):
        raise IsaError("unused bits of a micro-op are set")
    uop = Uop(**_unpack(word, known))
    check_uop(uop, config)
    return uop


def _unpack(word: int, known: Fields) -> dict[str, int]:
    found = {}
    for name, width in known:
        found[name] = word & ((1 << width) - 1)
        word >>= width
    return found


_FLAGS = tuple(name for name, _ in _HEAD[1:])
_OPCODES: dict[type[Instruction], Opcode] = {
    Load: Opcode.LOAD,
    Store: Opcode.STORE,
    Gemm: Opcode.GEMM,
    Alu: Opcode.ALU,
    Finish: Opcode.FINISH,
}


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where an instruction's own fields go in the two words; `special`: those that need more than a shift."""

    low: Fields
    high: Fields
    special: tuple[int, ...]


@lru_cache(maxsize=64)
def _plan(opcode: Opcode, config: VtaConfig) -> _Plan:
    places: list[dict[str, int]] = []
    for word in layout(config).words[opcode]:
        ends = accumulate(width for _, width in word)
        places.append({name: end - width for (name, width), end in zip(word, ends, strict=True)})
    (kind,) = (kind for kind, number in _OPCODES.items() if number is opcode)
    own = {field.name for field in fields(kind)} - {"flags", "immediate"}
    low, high = (tuple((name, at) for name, at in each.items() if name in own) for each in places)
    special: tuple[int, ...] = ()
    if opcode is Opcode.STORE:
        special = (places[0]["memory"],)
    elif opcode is Opcode.ALU:
        mask = (1 << config.limits.immediate.bit_length() + 1) - 1
        special = (places[1]["use_immediate"], places[1]["immediate"], mask)
    return _Plan(low, high, special)


def _instruction(opcode: Opcode, values: dict[str, Any], config: VtaConfig) -> Instruction:
    flags = Flags(**{name: bool(values.pop(name)) for name in _FLAGS})
    del values["opcode"]
    match opcode:
        case Opcode.LOAD:
            return Load(**values | {"memory": _enumerated("memory", values, Memory)}, flags=flags)
        case Opcode.STORE:
            _must_be("memory", values.pop("memory"), Memory.OUTPUT, opcode)
            for name in ("pad_top", "pad_bottom", "pad_left", "pad_right"):
                _must_be(name, values.pop(name), 0, opcode)
            return Store(**values, flags=flags)
        case Opcode.GEMM:
            return Gemm(**values | {"reset": bool(values["reset"])}, flags=flags)
        case Opcode.ALU:
            _must_be("reset", values.pop("reset"), 0, opcode)
            operation = _enumerated("operation", values, AluOperation)
            immediate: int | None = values["immediate"]
            if not values.pop("use_immediate"):
                _must_be("immediate", immediate, 0, opcode)
                immediate = None
            elif values["immediate"] > config.limits.immediate:
                immediate = values["immediate"] - (1 << config.limits.immediate.bit_length() + 1)
            return Alu(**values | {"operation": operation, "immediate": immediate}, flags=flags)
        case Opcode.FINISH:
            return Finish(flags=flags)


def _must_be(name: str, value: Any, due: int, opcode: Opcode) -> None:
    if value != due:
        raise IsaError(f"{opcode.name}: {name} = {value}; it must be {int(due)}")


def _enumerated(name: str, values: dict[str, Any], kind: type[Memory] | type[AluOperation]) -> Any:
    try:
        return kind(values[name])
    except ValueError:
        raise IsaError(f"{name} = {values[name]}; there are 0 to {max(kind)}") from None
