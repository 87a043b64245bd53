"""Which instructions the hardware takes: every field against its limit, and fields against each other."""

from __future__ import annotations

from functools import lru_cache
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
    match memory:
        case Memory.UOP:
            return config.uop
        case Memory.WEIGHT:
            return config.weight
        case Memory.INPUT:
            return config.input
        case Memory.OUTPUT:
            return config.output
        case Memory.ACCUMULATOR | Memory.NARROW:
            return config.accumulator


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
        value = getattr(instruction, name)
        if value.__class__ is not int or not low <= value <= high:
            _in_range(kind, name, value, low, high)
    if instruction.flags:
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


def bounds(instruction: Instruction, config: VtaConfig) -> tuple[Bound, ...]:
    """The instruction's own integer fields with their smallest and largest values."""
    match instruction:
        case Load() | Store():
            return _transfer_bounds(isinstance(instruction, Load), instruction.memory, config)
        case Gemm():
            return _loop_bounds(config) + _weight_bounds(config)
        case Alu(immediate=None):
            return _loop_bounds(config)
        case Alu():
            return (*_loop_bounds(config), _immediate_bound(instruction.operation, config))
        case Finish():
            return ()


@lru_cache(maxsize=64)
def _transfer_bounds(loads: bool, memory: Memory, config: VtaConfig) -> tuple[Bound, ...]:
    limits = config.limits
    found = (
        ("sram_base", 0, min(limits.dma_sram, scratchpad(memory, config).depth - 1)),
        ("dram_base", 0, limits.dma_dram),
        ("y_size", 1, limits.dma_elements),
        ("x_size", 1, limits.dma_elements),
        ("x_stride", 0, limits.dma_elements),
    )
    if not loads:
        return found
    pad = limits.pad if memory in _PADDED else 0
    return (*found, *((f"pad_{side}", 0, pad) for side in ("top", "bottom", "left", "right")))


@lru_cache(maxsize=16)
def _loop_bounds(config: VtaConfig) -> tuple[Bound, ...]:
    last, source = (1 << config.accumulator.index_bits) - 1, (1 << config.source_bits) - 1
    return (
        ("uop_begin", 0, config.uop.depth - 1),
        ("uop_end", 1, config.uop.depth),
        ("iter_out", 1, config.limits.iterations),
        ("iter_in", 1, config.limits.iterations),
        ("dst_out", 0, last),
        ("dst_in", 0, last),
        ("src_out", 0, source),
        ("src_in", 0, source),
    )


@lru_cache(maxsize=16)
def _weight_bounds(config: VtaConfig) -> tuple[Bound, ...]:
    last = (1 << config.weight.index_bits) - 1
    return ("wgt_out", 0, last), ("wgt_in", 0, last)


def _immediate_bound(operation: AluOperation, config: VtaConfig) -> Bound:
    if operation is AluOperation.SHIFT:
        return "immediate", -config.limits.shift, config.limits.shift
    return "immediate", -config.limits.immediate - 1, config.limits.immediate


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
