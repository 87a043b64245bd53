"""A register tile of an intrinsic with several rows: a point is a block of them, its sums fill a register.

Where a block would reach beyond its axis it is shifted back, so that every block has equally many rows; what
two blocks have in common is computed and written twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.x86 import matrix
from heron_cli.backends.x86.cases import Case
from heron_cli.backends.x86.operands import Begun, Sums
from heron_cli.backends.x86.tile import RegisterTile
from heron_cli.elements import BYTES
from heron_cli.schedule.nest import STREAMED, Nest


class MatrixTile(RegisterTile):
    """Emits the tiles of a nest whose intrinsic has several rows, which lie on an m-like axis."""

    def __init__(self, nest: Nest, *rest: Any) -> None:
        super().__init__(nest, *rest)
        self.row = nest.intrinsic["m"]  # None where the operator has a single row
        self.registers = matrix.Registers.of(nest)

    def within(self, body: Any) -> Any:
        """The instructions are LLVM's own, whatever the types."""
        return body

    def configured(self, body: Any) -> Any:
        """What one thread runs, with its matrix registers in shape."""
        return self.registers.configured(body)

    def _points(self, case: Case, starts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The blocks of rows, as how far each lies from the tile's first."""
        row, points = self.row, super()._points(case, starts)
        if row is None:
            return points
        return [{**point, row: self._shifted(row, point[row], starts[row])} for point in points]

    def _shifted(self, row: str, block: int, start: Any) -> Any:
        """Rows from a tile's first to those of a block; the last block ends with the axis."""
        tiling = self.nest.tilings[row]
        first = block * tiling.unit
        if not block or tiling.extent % tiling.unit == 0:
            return first
        return tir.minimum(first, tiling.extent - tiling.unit - start)

    def _cleared(self, points: Sequence[Any], blocks: int) -> tuple[list[list[Any]], list[Any]]:
        """The registers of the sums by number, and what sets them to zero."""
        numbers = [[self.registers.sum(p, j) for j in range(blocks)] for p in range(len(points))]
        return numbers, [matrix.zero(number) for row in numbers for number in row]

    def products(
        self, reads: Begun, sums: Sums, taps: Mapping[str, Any], groups: Sequence[Any], last: bool
    ) -> Any:
        """The products of some groups at fixed taps."""
        source = reads.source
        statements: list[Any] = []
        apart = 0 if self.row is None else source.offset({self.row: 1})
        pitch = apart * BYTES[self.einsum.input.dtype]
        for g in groups:
            first = reads.input + source.offset({**taps, self.group: self.weight.group_start(g, last)})
            panel = reads.weight + self.weight.offset(taps, g, sums.blocks)
            inputs = [
                matrix.load(self.registers.input(p), source.buffer, first + source.offset(point), pitch)
                for p, point in enumerate(sums.points)
            ]
            weights = [
                matrix.load(
                    self.registers.weight(j), reads.packed, panel + j * self.weight.vector, matrix.ROW_BYTES
                )
                for j in range(sums.blocks)
            ]
            if self.registers.holds_weights:
                statements += weights
                for p, load in enumerate(inputs):
                    statements += [load, *(self._product(sums, p, j) for j in range(sums.blocks))]
            else:
                statements += inputs
                for j, load in enumerate(weights):
                    statements += [load, *(self._product(sums, p, j) for p in range(len(inputs)))]
        return tir.sequence(statements)

    def _product(self, sums: Sums, point: int, block: int) -> Any:
        registers = self.registers
        return matrix.multiply(
            self.nest.instruction,
            sums.registers[point][block],
            registers.input(point),
            registers.weight(block),
        )

    def _write_back(self, sums: Sums, c: Any) -> Any:
        """Matrices that are results leave as such; others by way of memory, for the epilogue row by row."""
        if self._plain():
            return tir.sequence(self._matrices(sums, c))
        row = self.row
        memory = tir.register("sums", self.accumulate, self.registers.rows * self.width)
        vector = tir.register("acc", self.accumulate, self.width)
        statements = [tir.allocate_register(memory), tir.allocate_register(vector)]
        for point, registers in zip(sums.points, sums.registers, strict=True):
            for j, register in enumerate(registers):
                statements.append(matrix.store(register, memory, 0, self.width * BYTES[self.accumulate]))

                def finished(r: Any, point: Mapping[str, Any] = point, j: int = j) -> Any:
                    here = point if row is None else {**point, row: point[row] + r}
                    value = tir.load(memory, r * self.width, self.width)
                    return tir.sequence(
                        [
                            tir.store(vector, 0, value, self.width),
                            self._finished(sums, c, here, [(j, vector)]),
                        ]
                    )

                statements.append(tir.loop("r", self.registers.rows, finished))
        return tir.sequence(statements)

    def _plain(self) -> bool:
        """Whether sums are the results, whole vectors of them side by side, none outside the output."""
        einsum = self.einsum
        side_by_side = einsum.output.stride(self.lane) == 1 and self.valid == self.width
        changed = einsum.epilogue or einsum.cropped() or self.nest.store == STREAMED
        return side_by_side and not changed

    def _matrices(self, sums: Sums, c: Any) -> list[Any]:
        output, first = self.einsum.output, sums.starts[self.lane]
        pitch = 0 if self.row is None else output.stride(self.row) * BYTES[output.dtype]
        return [
            matrix.store(
                register,
                self.output,
                c + sum(output.stride(name) * i for name, i in point.items()) + self.column(first + j),
                pitch,
            )
            for point, registers in zip(sums.points, sums.registers, strict=True)
            for j, register in enumerate(registers)
        ]
