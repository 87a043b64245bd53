"""Which instructions the hardware takes: every field against its limit, and fields against each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from heron_cli.backends.vta.config import Scratchpad, VtaConfig
from heron_cli.backends.vta.errors import IsaError
from heron_cli.backends.vta.isa import (
    Alu,
    AluOperation,
    Finish,
    Gemm,
    Instruction,
    Load,
    Memory,
    Module,
    Store,
    Uop,
)

Bound = tuple[str, int, int]  # field, smallest and largest value

_PADDED = (Memory.INPUT, Memory.ACCUMULATOR, Memory.NARROW)


def scratchpad(memory: Memory, config: VtaConfig) -> Scratchpad:
    """The scratch-pad that a memory's number stands for; NARROW is a way to fill the accumulator."""
    return {
        Memory.UOP: config.uop,
        Memory.WEIGHT: config.weight,
        Memory.INPUT: config.input,
        Memory.ACCUMULATOR: config.accumulator,
        Memory.OUTPUT: config.output,
        Memory.NARROW: config.accumulator,
    }[memory]


def dram_bytes(memory: Memory, config: VtaConfig) -> int:
    """Bytes of one element in DRAM."""
    return (config.output if memory is Memory.NARROW else scratchpad(memory, config)).element_bytes


def check_instruction(instruction: Instruction, config: VtaConfig) -> None:
    """Refuse what cannot be encoded or what no module executes.

    Raises:
        IsaError: the field, its value and its limit.
    """
    kind = type(instruction).__name__
    for name, low, high in bounds(instruction, config):
        _in_range(kind, name, getattr(instruction, name), low, high)
    _check_flags(kind, instruction)
    match instruction:
        case Load():
            _check_load(instruction, config)
        case Store():
            _check_range(kind, instruction, config)
        case Gemm() | Alu() if instruction.uop_begin >= instruction.uop_end:
            said = f"uop_end = {instruction.uop_end}; it must be above uop_begin = {instruction.uop_begin}"
            raise IsaError(f"{kind}: {said}")
        case _:
            pass
    if isinstance(instruction, Alu):
        _check_alu(instruction, config)


def check_uop(uop: Uop, config: VtaConfig) -> None:
    """Refuse a micro-op whose indices do not fit. Raises IsaError."""
    for name, low, high in uop_bounds(config):
        _in_range("Uop", name, getattr(uop, name), low, high)


def uop_bounds(config: VtaConfig) -> tuple[Bound, ...]:
    """The micro-op's fields; `src` reaches both what GEMM and what ALU may read."""
    source = max(config.input.depth, config.accumulator.depth)
    return (
        ("dst", 0, config.accumulator.depth - 1),
        ("src", 0, source - 1),
        ("wgt", 0, config.weight.depth - 1),
    )


def bounds(instruction: Instruction, config: VtaConfig) -> Iterator[Bound]:
    """The instruction's own integer fields with their smallest and largest values."""
    limits = config.limits
    match instruction:
        case Load() | Store():
            yield "sram_base", 0, min(limits.dma_sram, scratchpad(instruction.memory, config).depth - 1)
            yield "dram_base", 0, limits.dma_dram
            yield "y_size", 1, limits.dma_elements
            yield "x_size", 1, limits.dma_elements
            yield "x_stride", 0, limits.dma_elements
            if isinstance(instruction, Load):
                pad = limits.pad if instruction.memory in _PADDED else 0
                for side in ("top", "bottom", "left", "right"):
                    yield f"pad_{side}", 0, pad
        case Gemm() | Alu():
            yield "uop_begin", 0, config.uop.depth - 1
            yield "uop_end", 1, config.uop.depth
            yield "iter_out", 1, limits.iterations
            yield "iter_in", 1, limits.iterations
            for name, bits in (("dst", config.accumulator.index_bits), ("src", config.source_bits)):
                yield f"{name}_out", 0, (1 << bits) - 1
                yield f"{name}_in", 0, (1 << bits) - 1
            if isinstance(instruction, Gemm):
                yield "wgt_out", 0, (1 << config.weight.index_bits) - 1
                yield "wgt_in", 0, (1 << config.weight.index_bits) - 1
            elif instruction.immediate is not None:
                largest = limits.shift if instruction.operation is AluOperation.SHIFT else limits.immediate
                smallest = -largest if instruction.operation is AluOperation.SHIFT else -largest - 1
                yield "immediate", smallest, largest
        case Finish():
            return


def _in_range(kind: str, name: str, value: Any, low: int, high: int) -> None:
    if not isinstance(value, int):
        raise IsaError(f"{kind}: {name} = {value!r}; it is an integer from {low:,} to {high:,}")
    if not low <= value <= high:
        raise IsaError(f"{kind}: {name} = {value:,}; it is from {low:,} to {high:,}")


def _check_flags(kind: str, instruction: Instruction) -> None:
    flags = instruction.flags
    if instruction.module is Module.LOAD and (flags.pop_previous or flags.push_previous):
        raise IsaError(f"{kind}: pop_previous or push_previous is set; the load module has none before it")
    if instruction.module is Module.STORE and (flags.pop_next or flags.push_next):
        raise IsaError(f"{kind}: pop_next or push_next is set; the store module has none after it")


def _check_load(load: Load, config: VtaConfig) -> None:
    if load.memory is Memory.OUTPUT:
        raise IsaError("Load: memory = OUTPUT; the output scratch-pad is written by computation only")
    if load.memory is Memory.NARROW and not config.limits.narrow_accumulator_load:
        raise IsaError("Load: memory = NARROW; this machine has no narrow_accumulator_load")
    if load.memory is Memory.UOP and load.y_size != 1:
        raise IsaError(f"Load: y_size = {load.y_size}; micro-ops are loaded in one row")
    _check_range("Load", load, config)


def _check_range(kind: str, transfer: Load | Store, config: VtaConfig) -> None:
    memory = scratchpad(transfer.memory, config)
    end = transfer.sram_base + transfer.sram_size
    if end > memory.depth:
        raise IsaError(
            f"{kind}: {memory.name} [{transfer.sram_base}, {end}); it has {memory.depth:,} elements"
        )


def _check_alu(alu: Alu, config: VtaConfig) -> None:
    if alu.operation >= config.limits.alu_operations:
        known = ", ".join(item.name for item in AluOperation if item < config.limits.alu_operations)
        raise IsaError(f"Alu: operation = {alu.operation.name}; this machine has {known}")
