"""The instruction set: five instructions, micro-ops, and which values their fields take.

Three modules run at the same time, each its own instructions in order: load (inputs, weights), compute (GEMM,
ALU, loads of micro-ops and accumulators, finish) and store. Neighbours order each other by tokens: an
instruction pops its tokens before it begins and pushes after it has ended.
Source: apache/tvm-vta, hw_spec.h; names here are heron's, the numbers of enumerations are the hardware's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum
from operator import attrgetter
from typing import Any


class Module(IntEnum):
    """The hardware modules; `previous` and `next` in tokens mean neighbours in this order."""

    LOAD = 0
    COMPUTE = 1
    STORE = 2


class Memory(IntEnum):
    """Memories by their number in instructions. NARROW fills the accumulator from the output's type."""

    UOP = 0
    WEIGHT = 1
    INPUT = 2
    ACCUMULATOR = 3
    OUTPUT = 4
    NARROW = 5


class Opcode(IntEnum):
    """Instructions by their number."""

    LOAD = 0
    STORE = 1
    GEMM = 2
    FINISH = 3
    ALU = 4


class AluOperation(IntEnum):
    """ALU operations by their number; SHIFT goes right, by a negative number of bits left."""

    MIN = 0
    MAX = 1
    ADD = 2
    SHIFT = 3
    MULTIPLY = 4


@dataclass(frozen=True, slots=True)
class Flags:
    """Tokens that an instruction pops from and pushes to the modules before and after its own."""

    pop_previous: bool = False
    pop_next: bool = False
    push_previous: bool = False
    push_next: bool = False

    def __bool__(self) -> bool:
        return self.pop_previous or self.pop_next or self.push_previous or self.push_next


NO_FLAGS = Flags()


@dataclass(frozen=True, slots=True)
class Uop:
    """A micro-op: absolute indices of accumulator, of input (ALU: second accumulator), and of weight."""

    dst: int
    src: int = 0
    wgt: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """Copies a rectangle of DRAM to a compact range of a scratch-pad, with zeros around it.

    `y_size` rows of `x_size` elements, `x_stride` elements apart in DRAM, from element `dram_base` on; the
    scratch-pad gets (pad_top + y_size + pad_bottom) * (pad_left + x_size + pad_right) elements.
    """

    memory: Memory
    sram_base: int
    dram_base: int
    x_size: int
    y_size: int = 1
    x_stride: int = 0
    pad_top: int = 0
    pad_bottom: int = 0
    pad_left: int = 0
    pad_right: int = 0
    flags: Flags = NO_FLAGS

    @property
    def module(self) -> Module:
        """Inputs and weights are loaded beside the computation, all else within it."""
        return Module.LOAD if self.memory in (Memory.INPUT, Memory.WEIGHT) else Module.COMPUTE

    @property
    def width(self) -> int:
        """Elements of a row in the scratch-pad."""
        return self.pad_left + self.x_size + self.pad_right

    @property
    def sram_size(self) -> int:
        """Elements written."""
        return self.width * (self.pad_top + self.y_size + self.pad_bottom)


@dataclass(frozen=True, slots=True)
class Store:
    """Copies a compact range of the output scratch-pad to a rectangle of DRAM; sizes as in `Load`."""

    sram_base: int
    dram_base: int
    x_size: int
    y_size: int = 1
    x_stride: int = 0
    flags: Flags = NO_FLAGS

    @property
    def module(self) -> Module:
        """The store module."""
        return Module.STORE

    @property
    def memory(self) -> Memory:
        """What is stored."""
        return Memory.OUTPUT

    @property
    def sram_size(self) -> int:
        """Elements read."""
        return self.x_size * self.y_size


@dataclass(frozen=True, slots=True)
class Gemm:
    """For o < iter_out, i < iter_in, u in micro-ops [uop_begin, uop_end): one step on whole elements.

    accumulator[u.dst + o * dst_out + i * dst_in] += input[u.src + o * src_out + i * src_in] .
    weight[u.wgt + o * wgt_out + i * wgt_in]^T; with `reset` the accumulator is set to 0 instead.
    """

    uop_begin: int
    uop_end: int
    iter_out: int = 1
    iter_in: int = 1
    dst_out: int = 0
    dst_in: int = 0
    src_out: int = 0
    src_in: int = 0
    wgt_out: int = 0
    wgt_in: int = 0
    reset: bool = False
    flags: Flags = NO_FLAGS

    @property
    def module(self) -> Module:
        """The compute module."""
        return Module.COMPUTE

    @property
    def steps(self) -> int:
        """Steps, of one block product each."""
        return self.iter_out * self.iter_in * (self.uop_end - self.uop_begin)


@dataclass(frozen=True, slots=True)
class Alu:
    """The loops of `Gemm` around accumulator[dst] = accumulator[dst] OP (immediate, or accumulator[src]).

    With an immediate the operation is in place and the source is not read.
    """

    operation: AluOperation
    uop_begin: int
    uop_end: int
    iter_out: int = 1
    iter_in: int = 1
    dst_out: int = 0
    dst_in: int = 0
    src_out: int = 0
    src_in: int = 0
    immediate: int | None = None
    flags: Flags = NO_FLAGS

    @property
    def module(self) -> Module:
        """The compute module."""
        return Module.COMPUTE

    @property
    def steps(self) -> int:
        """Steps, of one element each."""
        return self.iter_out * self.iter_in * (self.uop_end - self.uop_begin)


@dataclass(frozen=True, slots=True)
class Finish:
    """The program's end: tells the host, once its tokens have come."""

    flags: Flags = NO_FLAGS

    @property
    def module(self) -> Module:
        """The compute module."""
        return Module.COMPUTE


Instruction = Load | Store | Gemm | Alu | Finish

_OWN: dict[type[Instruction], Callable[[Instruction], tuple[Any, ...]]] = {
    kind: attrgetter(*(field.name for field in fields(kind) if field.name != "flags"))
    for kind in (Load, Store, Gemm, Alu)
}


def flagged(item: Instruction, flags: Flags) -> Instruction:
    """The instruction with other tokens; several times faster than `dataclasses.replace`."""
    if isinstance(item, Finish):
        return Finish(flags)
    kind: Any = type(item)
    found: Instruction = kind(*_OWN[kind](item), flags)
    return found
