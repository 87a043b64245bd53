"""A warp's products: fragments from shared memory by ldmatrix, mma.sync on them (PTX ISA, warp-level matrix).

Fragments are described in bytes, so one code serves all types: a step covers 32 bytes of k, and a fragment of
16 rows is four matrices of 8 rows × 16 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.cuda.geometry import Geometry
from heron_cli.backends.cuda.loader import Loader, place

INSTRUCTION = "heron_mma"
BLOCK = 8  # columns of a block of sums, two of each row in every lane


@dataclass(frozen=True)
class Position:
    """Where a thread stands: its lane and its warp's place among those of the block."""

    lane: Any
    row: Any
    column: Any


@dataclass(frozen=True)
class Pairs:
    """A thread's sums of one row: two neighbours of each of some blocks of 8 columns.

    Lane % 4 says which two. `column` is where the first block begins, `first` the number of its two sums;
    those of the next block are four numbers on.
    """

    row: Any
    column: Any
    first: int
    blocks: int


class FragmentProducts:
    """Emits the products of a stage; fragments of a step are read while those before are multiplied."""

    def __init__(self, geometry: Geometry, rows: Loader, columns: Loader) -> None:
        self.geometry, self.rows, self.columns = geometry, rows, columns
        self.m, self.n, self.steps = geometry.units("m"), geometry.units("n"), geometry.units("k")
        sets = min(2, self.steps)
        self.a = [tir.register(f"a{i}", "uint32", 4 * self.m) for i in range(sets)]
        self.b = [tir.register(f"b{i}", "uint32", 2 * self.n) for i in range(sets)]
        self.sums = tir.register("sums", geometry.nest.einsum.accumulate, 4 * self.m * self.n)

    ahead = 1
    """Stages that must stay untouched behind the one being multiplied, itself included."""

    def declare(self) -> list[Any]:
        """Fragments and sums, the sums zero."""
        kind = self.geometry.nest.einsum.accumulate
        zero = tir.unrolled("i", 4 * self.m * self.n, lambda i: tir.store(self.sums, i, tir.zero(kind)))
        return [*(tir.allocate_register(buffer) for buffer in (*self.a, *self.b, self.sums)), zero]

    @property
    def held(self) -> int:
        """Registers of sums and fragments."""
        return 4 * self.m * self.n + len(self.a) * (4 * self.m + 2 * self.n)

    def multiply(self, shared: Any, base: Any, at: Position) -> list[Any]:
        """All products of the stage at byte `base`."""
        statements = self.read(0, shared, base, at)
        for step in range(self.steps):
            if step + 1 < self.steps:
                statements += self.read(step + 1, shared, base, at)
            statements += self.product(step)
        return statements

    def product(self, step: int) -> list[Any]:
        """The products of a step, whose fragments were read."""
        a, b = self.a[step % 2], self.b[step % 2]
        return [
            tir.device(
                INSTRUCTION,
                tir.address(self.sums, 4 * (i * self.n + j)),
                tir.address(a, 4 * i),
                tir.address(b, 2 * j),
            )
            for i in range(self.m)
            for j in range(self.n)
        ]

    def finish(self) -> list[Any]:
        """Nothing is under way after the last stage."""
        return []

    def read(self, step: int, shared: Any, base: Any, at: Position) -> list[Any]:
        """The fragments of a step of the stage at byte `base`."""
        second = base + self.geometry.aligned(self.geometry.operand_bytes("m"))
        found = []
        for i in range(self.m):
            row = (at.row * self.m + i) * 16
            source = self._rows_of_16(self.rows, row, step, at.lane)
            name = "heron_fragment_4_t" if self.rows.plan.transposed else "heron_fragment_4"
            found.append(
                tir.device(name, tir.address(self.a[step % 2], 4 * i), tir.address(shared, base + source))
            )
        j = 0
        while j < self.n:
            pair = j + 1 < self.n
            row = (at.column * self.n + j) * 8
            source = self._rows_of_8(self.columns, row, step, at.lane)
            name = f"heron_fragment_{4 if pair else 2}{'_t' if self.columns.plan.transposed else ''}"
            to = tir.address(self.b[step % 2], 2 * j)
            found.append(tir.device(name, to, tir.address(shared, second + source)))
            j += 2 if pair else 1
        return found

    @staticmethod
    def _rows_of_16(loader: Loader, row: Any, step: int, lane: Any) -> Any:
        """Where a lane's row of four matrices begins: rows 0-7 and 8-15 of 16 bytes, then of the next 16."""
        tile = loader.plan.tile
        if not loader.plan.transposed:
            return place(tile, row + lane % 16, 2 * step + lane // 16)
        k = step * 16 + lane // 16 * 8 + lane % 8
        return place(tile, k, row // 8 + lane // 8 % 2)

    @staticmethod
    def _rows_of_8(loader: Loader, row: Any, step: int, lane: Any) -> Any:
        """The same for rows of the weight: both 16-byte halves of rows 0-7, then of rows 8-15."""
        tile = loader.plan.tile
        if not loader.plan.transposed:
            return place(tile, row + lane % 8 + lane // 16 * 8, 2 * step + lane // 8 % 2)
        k = step * 16 + lane // 8 % 2 * 8 + lane % 8
        return place(tile, k, row // 8 + lane // 16)

    def results(self, at: Position) -> list[Pairs]:
        """What a thread holds of every row: lanes of a warp hold rows in fours."""
        return [
            Pairs(
                row=(at.row * self.m + i) * 16 + half * 8 + at.lane // 4,
                column=at.column * self.n * 8,
                first=4 * i * self.n + 2 * half,
                blocks=self.n,
            )
            for i in range(self.m)
            for half in range(2)
        ]
