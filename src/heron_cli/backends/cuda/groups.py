"""A warpgroup's products straight from shared memory: wgmma (PTX ISA, asynchronous warpgroup-level)."""

from __future__ import annotations

from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.cuda.fragments import Pairs, Position
from heron_cli.backends.cuda.geometry import Geometry
from heron_cli.backends.cuda.loader import Loader

INSTRUCTION = "heron_wgmma"
_ROWS = 64
_MODE = {8: 1, 4: 2, 2: 3}  # swizzle mode of the descriptor by pieces of a group: 128, 64, 32 bytes


class GroupProducts:
    """Emits the products of one stage; they run on while the next stage is waited for."""

    ahead = 2
    """Stages that must stay untouched behind the one being multiplied, itself included."""

    def __init__(self, geometry: Geometry, rows: Loader, columns: Loader) -> None:
        self.geometry, self.rows, self.columns = geometry, rows, columns
        self.m, self.steps = geometry.units("m"), geometry.units("k")
        self.n = geometry.units("n") * geometry.nest.shape["n"]
        self.each = _ROWS * self.n // 128  # sums of one instruction in a thread
        self.sums = tir.register("sums", geometry.nest.einsum.accumulate, self.each * self.m)

    def declare(self) -> list[Any]:
        """The sums, zero."""
        kind = self.geometry.nest.einsum.accumulate
        zero = tir.unrolled("i", self.each * self.m, lambda i: tir.store(self.sums, i, tir.zero(kind)))
        return [tir.allocate_register(self.sums), zero]

    def multiply(self, shared: Any, base: Any, at: Position) -> list[Any]:
        """Start the products of the stage at byte `base`; last, wait for those of the stage before."""
        second = base + self.geometry.aligned(self.geometry.operand_bytes("m"))
        statements = [tir.device("heron_group_arrive")]
        for step in range(self.steps):
            for i in range(self.m):
                statements.append(
                    tir.device(
                        INSTRUCTION,
                        tir.address(self.sums, i * self.each),
                        self._descriptor(self.rows, shared, base, (at.row * self.m + i) * _ROWS, step),
                        self._descriptor(self.columns, shared, second, at.column * self.n, step),
                    )
                )
        return [*statements, tir.device("heron_group_commit"), tir.device("heron_group_wait<1>")]

    def finish(self) -> list[Any]:
        """Wait for the last products."""
        return [tir.device("heron_group_wait<0>")]

    def _descriptor(self, loader: Loader, shared: Any, base: Any, row: Any, step: int) -> Any:
        """The matrix that begins at a row of the tile and a step of k."""
        tile = loader.plan.tile
        width = tile.width * 16  # bytes of a row of the swizzle atom, which has eight rows
        if loader.plan.transposed:
            inner = width // loader.item
            at = base + row // inner * tile.group + row % inner * loader.item + step * 16 * width
            return self._make(shared, at, tile.group, 8 * width, _MODE[tile.width])
        inner = width // 32
        at = base + step // inner * tile.group + row * width + step % inner * 32
        return self._make(shared, at, 16, 8 * width, _MODE[tile.width])

    @staticmethod
    def _make(shared: Any, at: Any, leading: int, stride: int, mode: int) -> Any:
        return tir.device_value("uint64", "heron_descriptor", tir.address(shared, at), leading, stride, mode)

    def results(self, at: Position) -> list[Pairs]:
        """What a thread holds of every row: lanes of a warp hold rows in fours."""
        return [
            Pairs(
                row=(at.row * self.m + i) * _ROWS + at.lane // 32 * 16 + half * 8 + at.lane % 32 // 4,
                column=at.column * self.n,
                first=i * self.each + 2 * half,
                blocks=self.n // 8,
            )
            for i in range(self.m)
            for half in range(2)
        ]
