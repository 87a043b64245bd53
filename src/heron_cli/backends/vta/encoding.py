"""Instructions as 128-bit words: which field lies where, and back.

Two little-endian words of 64 bits; fields from bit 0 up, none crosses a word, unused bits are 0. Every word
begins with the opcode (3 bits) and the four flags of tokens. Source: apache/tvm-vta, hw_spec.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
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
        for number, fields in enumerate(words):
            yield f"word {number} of {opcode.name}", sum(width for _, width in fields), _WORD_BITS
    yield "a micro-op", sum(width for _, width in found.uop), 8 * UOP_BYTES


def encode(instruction: Instruction, config: VtaConfig) -> bytes:
    """The 16 bytes of an instruction.

    Raises:
        IsaError: a field that the instruction set cannot express, by name, value and limit.
    """
    check_instruction(instruction, config)
    values = _values(instruction)
    first, second = layout(config).words[values["opcode"]]
    return _WORDS.pack(_pack(values, first), _pack(values, second))


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
    for number, fields in enumerate(layout(config).words[opcode]):
        if words[number] >> sum(width for _, width in fields):
            raise IsaError(f"{opcode.name}: unused bits of word {number} are set")
        values |= _unpack(words[number], fields)
    found = _instruction(opcode, values, config)
    check_instruction(found, config)
    return found


def encode_uop(uop: Uop, config: VtaConfig) -> bytes:
    """The 4 bytes of a micro-op. Raises IsaError."""
    check_uop(uop, config)
    return _WORD.pack(_pack({"dst": uop.dst, "src": uop.src, "wgt": uop.wgt}, layout(config).uop))


def decode_uop(data: bytes, config: VtaConfig) -> Uop:
    """The micro-op of 4 bytes. Raises IsaError."""
    if len(data) != UOP_BYTES:
        raise IsaError(f"a micro-op has {UOP_BYTES} bytes, not {len(data)}")
    (word,) = _WORD.unpack(data)
    fields = layout(config).uop
    if word >> sum(width for _, width in fields):
        raise IsaError("unused bits of a micro-op are set")
    uop = Uop(**_unpack(word, fields))
    check_uop(uop, config)
    return uop


def _pack(values: dict[str, Any], fields: Fields) -> int:
    word = shift = 0
    for name, width in fields:
        word |= (int(values.get(name, 0)) & ((1 << width) - 1)) << shift
        shift += width
    return word


def _unpack(word: int, fields: Fields) -> dict[str, int]:
    found = {}
    for name, width in fields:
        found[name] = word & ((1 << width) - 1)
        word >>= width
    return found


_FLAGS = tuple(name for name, _ in _HEAD[1:])


def _values(instruction: Instruction) -> dict[str, Any]:
    """Every field's number, by name."""
    values: dict[str, Any] = {name: getattr(instruction, name) for name in _names(instruction)}
    values |= {name: getattr(instruction.flags, name) for name in _FLAGS}
    match instruction:
        case Load():
            values["opcode"] = Opcode.LOAD
        case Store():
            values |= {"opcode": Opcode.STORE, "memory": Memory.OUTPUT}
        case Gemm():
            values["opcode"] = Opcode.GEMM
        case Alu(immediate=None):
            values |= {"opcode": Opcode.ALU, "immediate": 0}
        case Alu():
            values |= {"opcode": Opcode.ALU, "use_immediate": 1}
        case Finish():
            values["opcode"] = Opcode.FINISH
    return values


def _names(instruction: Instruction) -> Sequence[str]:
    return [name for name in type(instruction).__dataclass_fields__ if name != "flags"]


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
