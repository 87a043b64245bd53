"""A program: instructions, the micro-ops that it loads, and where its tensors lie in DRAM.

DRAM is one image of bytes from address 0, which a driver places at any address that is a multiple of
`Program.alignment`. An instruction addresses it in elements of the memory that it moves, so a tensor begins
at a multiple of its elements' size.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import lcm

from heron_cli.backends.vta.checks import check_instruction, check_uop, dram_bytes
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.errors import IsaError, ProgramError
from heron_cli.backends.vta.isa import Finish, Instruction, Load, Memory, Store, Uop

UOPS = "uops"
"""The usual name of the tensor of micro-ops."""
NAME_BYTES = 40
"""Longest name of a tensor, in UTF-8."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """`elements` elements of `memory`'s kind in DRAM, from element `base` on (byte base * element size).

    Memory.OUTPUT: what the program stores. Memory.UOP: its micro-ops; there is at most one such tensor.
    """

    name: str
    memory: Memory
    base: int
    elements: int

    @property
    def end(self) -> int:
        """The element after the last."""
        return self.base + self.elements


@dataclass(frozen=True)
class Program:
    """Instructions in program order, which is what they mean: modules may overlap as tokens allow."""

    instructions: tuple[Instruction, ...]
    uops: tuple[Uop, ...]
    tensors: tuple[Tensor, ...]

    def tensor(self, name: str) -> Tensor:
        """The tensor of that name; KeyError if there is none."""
        for tensor in self.tensors:
            if tensor.name == name:
                return tensor
        raise KeyError(name)

    @cached_property
    def _by_memory(self) -> dict[Memory, tuple[list[int], list[Tensor]]]:
        found: dict[Memory, tuple[list[int], list[Tensor]]] = {}
        for tensor in sorted(self.tensors, key=lambda item: item.base):
            bases, tensors = found.setdefault(tensor.memory, ([], []))
            bases.append(tensor.base)
            tensors.append(tensor)
        return found

    def accessed(self, transfer: Load | Store) -> Tensor | None:
        """The tensor in which a transfer's first element lies; None if it lies in none."""
        bases, tensors = self._by_memory.get(transfer.memory, ([], []))
        index = bisect_right(bases, transfer.dram_base) - 1
        if index < 0 or transfer.dram_base >= tensors[index].end:
            return None
        return tensors[index]

    def image_bytes(self, config: VtaConfig) -> int:
        """Size of the image of DRAM that holds all tensors."""
        return max((tensor.end * dram_bytes(tensor.memory, config) for tensor in self.tensors), default=0)

    def alignment(self, config: VtaConfig) -> int:
        """What the address of the image must be a multiple of."""
        return lcm(*(dram_bytes(tensor.memory, config) for tensor in self.tensors))


def place(
    tensors: Iterable[tuple[str, Memory, int]], config: VtaConfig, *, start: int = 0
) -> tuple[Tensor, ...]:
    """Lay (name, memory, elements) out one after the other, from byte `start` on, each aligned.

    Micro-ops are best placed last, when their number is known: their base does not depend on it.
    """
    placed = []
    cursor = start
    for name, memory, elements in tensors:
        size = dram_bytes(memory, config)
        base = -(-cursor // size)
        placed.append(Tensor(name, memory, base, elements))
        cursor = (base + elements) * size
    return tuple(placed)


def check_program(program: Program, config: VtaConfig) -> None:
    """Refuse a program that no machine of this configuration could run, whatever its tokens.

    Raises:
        ProgramError: an instruction or a micro-op that the instruction set cannot express, tensors that
            overlap, a transfer outside the tensors, a missing end; with the instruction's number.
    """
    _check_tensors(program, config)
    for index, uop in enumerate(program.uops):
        try:
            check_uop(uop, config)
        except IsaError as error:
            raise ProgramError(f"micro-op {index}: {error}") from None
    for index, instruction in enumerate(program.instructions):
        try:
            check_instruction(instruction, config)
        except IsaError as error:
            raise ProgramError(str(error), index) from None
        if isinstance(instruction, Load | Store):
            _check_transfer(program, instruction, index)
    ends = [i for i, item in enumerate(program.instructions) if isinstance(item, Finish)]
    if ends != [len(program.instructions) - 1]:
        raise ProgramError(
            f"Finish stands at {ends or 'no place'}; it is the last instruction, and only that"
        )


def _check_tensors(program: Program, config: VtaConfig) -> None:
    spans = []
    names = set()
    for tensor in program.tensors:
        length = len(tensor.name.encode())
        if not 0 < length <= NAME_BYTES or not tensor.name.isprintable() or tensor.name in names:
            raise ProgramError(
                f"tensor {tensor.name!r}: names are distinct, printable and of 1 to {NAME_BYTES} bytes"
            )
        names.add(tensor.name)
        if tensor.base < 0 or tensor.elements < 1 or tensor.end - 1 > config.limits.dma_dram:
            raise ProgramError(
                f"tensor {tensor.name}: elements [{tensor.base}, {tensor.end}); there must be one, "
                f"and the last that can be addressed is {config.limits.dma_dram:,}"
            )
        size = dram_bytes(tensor.memory, config)
        spans.append((tensor.base * size, tensor.end * size, tensor))
        if tensor.memory is Memory.UOP and tensor.elements != len(program.uops):
            raise ProgramError(
                f"tensor {tensor.name}: {tensor.elements} elements for {len(program.uops)} micro-ops"
            )
    kinds = [tensor.memory for tensor in program.tensors]
    if kinds.count(Memory.UOP) != (1 if program.uops else 0):
        raise ProgramError(f"{len(program.uops)} micro-ops in {kinds.count(Memory.UOP)} tensors; one is due")
    spans.sort(key=lambda span: span[:2])
    for (_, end, before), (begin, _, after) in pairwise(spans):
        if begin < end:
            raise ProgramError(f"tensors {before.name} and {after.name} overlap at byte {begin}")


def _check_transfer(program: Program, transfer: Load | Store, index: int) -> None:
    tensor = program.accessed(transfer)
    if tensor is None:
        said = f"{transfer.memory.name} element {transfer.dram_base} of DRAM lies in no tensor"
        raise ProgramError(said, index)
    last = transfer.dram_base + (transfer.y_size - 1) * transfer.x_stride + transfer.x_size
    if last > tensor.end:
        said = f"reaches element {last - tensor.base} of tensor {tensor.name}; it has {tensor.elements}"
        raise ProgramError(said, index)


def with_flags(program: Program, flags: Iterable[tuple[int, Instruction]]) -> Program:
    """The program with some instructions replaced, by their number."""
    instructions = list(program.instructions)
    for index, instruction in flags:
        instructions[index] = instruction
    return replace(program, instructions=tuple(instructions))
