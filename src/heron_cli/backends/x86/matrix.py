"""The matrix registers of AMX: what they hold in a kernel, and the instructions on them.

Their numbers are part of the instructions, as LLVM's intrinsics take them; nothing else uses the registers.
Intel SDM volume 1, chapter 18, and volume 2, LDTILECFG.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.x86 import forms
from heron_cli.elements import BYTES
from heron_cli.schedule.nest import SKIP, Nest

REGISTERS = 8
ROWS, ROW_BYTES, WORD = 16, 64, 4
"""Of a register: rows, bytes in each, and bytes that are multiplied and summed together."""
_PALETTE = 1
_PRODUCTS = "llvm.x86.tdp"


@dataclass(frozen=True, slots=True)
class Registers:
    """Which register holds what: `points` times `blocks` sums, then inputs, then weights.

    A weight's row holds one word of each lane, `depth` bytes in all its rows; a row of the input holds
    `depth` bytes, one of the sums 4 bytes a lane. The operand of which a tile has fewer is held for a step,
    the other passes through what registers are left.
    """

    points: int
    blocks: int
    rows: int
    lanes: int
    depth: int

    @classmethod
    def of(cls, nest: Nest) -> Registers:
        """Those of the largest tiles of a nest, whose intrinsic has several rows."""
        row, lane, group = nest.intrinsic["m"], nest.lane, nest.intrinsic["k"]
        assert lane is not None and group is not None
        sizes = [nest.tilings[axis.name].size for axis in nest.einsum.spatial if axis.name != lane]
        rows = 1 if row is None else min(nest.tilings[row].unit, nest.tilings[row].extent)
        depth = nest.tilings[group].unit * BYTES[nest.einsum.input.dtype]
        return cls(prod(sizes), nest.tilings[lane].size, rows, nest.tilings[lane].unit, depth)

    @property
    def sums(self) -> int:
        """Registers of sums."""
        return self.points * self.blocks

    @property
    def needed(self) -> int:
        """How many there must be."""
        return self.sums + min(self.points, self.blocks) + 1

    @property
    def inputs(self) -> int:
        """Registers of the input."""
        return self.points if self.points < self.blocks else REGISTERS - self.sums - self.blocks

    @property
    def holds_weights(self) -> bool:
        """Whether weights stay for a step and inputs pass."""
        return self.points >= self.blocks

    def sum(self, point: int, block: int) -> int:
        """The register of a point's sums for a block of lanes."""
        return point * self.blocks + block

    def input(self, point: int) -> int:
        """The register of a point's input."""
        return self.sums + point % self.inputs

    def weight(self, block: int) -> int:
        """The register of a block's weights."""
        return self.sums + self.inputs + block % (REGISTERS - self.sums - self.inputs)

    def shape(self, register: int) -> tuple[int, int]:
        """Rows of a register, and bytes in each."""
        if register < self.sums:
            return self.rows, self.lanes * WORD
        if register < self.sums + self.inputs:
            return self.rows, self.depth
        return self.depth // WORD, self.lanes * WORD

    def configured(self, body: Any) -> Any:
        """The body, which one thread runs, with the registers in shape; afterwards they are free.

        While a thread has shaped registers, Linux saves them whenever it switches threads.
        """
        shapes = [self.shape(register) for register in range(REGISTERS)]
        described = bytes([_PALETTE]).ljust(16, b"\0")
        described += b"".join(width.to_bytes(2, "little") for _, width in shapes).ljust(32, b"\0")
        described += bytes(rows for rows, _ in shapes).ljust(16, b"\0")
        words = [int.from_bytes(described[i : i + 4], "little") for i in range(0, len(described), 4)]
        buffer = tir.register("shapes", "int32", len(words))
        return tir.sequence(
            [
                tir.allocate_register(buffer),
                *(tir.store(buffer, i, tir.number(word)) for i, word in enumerate(words)),
                forms.instruction("llvm.x86.ldtilecfg", tir.address(buffer, 0)),
                body,
                forms.instruction("llvm.x86.tilerelease"),
            ]
        )


def suits(nest: Nest) -> bool:
    """Whether the intrinsic of a nest has several rows, even if the operator has only one."""
    return nest.shape.get("m", 1) > 1


def refusal(nest: Nest) -> str | None:
    """Why a nest whose intrinsic has several rows cannot be emitted."""
    if not nest.instruction.startswith(_PRODUCTS):
        return "the x86 back end takes several rows in AMX's instructions only"
    registers = Registers.of(nest)
    most = {"rows": ROWS, "lanes": ROW_BYTES // WORD, "bytes of a row": ROW_BYTES}
    asked = {"rows": registers.rows, "lanes": registers.lanes, "bytes of a row": registers.depth}
    for what, number in asked.items():
        if number > most[what]:
            return f"{number} {what}; a matrix register has {most[what]}"
    if registers.depth % WORD:
        return f"a lane takes {registers.depth} bytes; a matrix register has words of {WORD}"
    if registers.needed > REGISTERS:
        return f"the tile needs {registers.needed} matrix registers; there are {REGISTERS}"
    if nest.stage == SKIP:
        return "padded taps are left out point by point, which several rows do not allow"
    return "matrix registers are loaded without prefetches" if any(nest.prefetch.values()) else None


def zero(register: int) -> Any:
    """Set a register to zeros."""
    return forms.instruction("llvm.x86.tilezero", register)


def load(register: int, buffer: Any, index: Any, stride: int) -> Any:
    """Fill a register with rows that begin at an element, `stride` bytes apart."""
    return forms.instruction("llvm.x86.tileloadd64", register, tir.address(buffer, index), forms.wide(stride))


def store(register: int, buffer: Any, index: Any, stride: int) -> Any:
    """Write the rows of a register, `stride` bytes apart."""
    return forms.instruction(
        "llvm.x86.tilestored64", register, tir.address(buffer, index), forms.wide(stride)
    )


def multiply(name: str, sums: int, inputs: int, weights: int) -> Any:
    """Add the product of two registers to a third by the LLVM intrinsic `name`."""
    return forms.instruction(name, sums, inputs, weights)
