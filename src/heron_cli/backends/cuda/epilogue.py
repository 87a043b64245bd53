"""What becomes of the sums: staged in shared memory, summed over the cluster, finished, written in pieces.

Or not staged: the four lanes that hold a row exchange what they have, and write from registers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import gcd
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.buffers import item_bytes
from heron_cli.backends.cuda.fragments import BLOCK, Pairs
from heron_cli.backends.cuda.geometry import Geometry
from heron_cli.backends.cuda.loader import PIECE, coordinate, flat, outside_of, parts_of, take_apart
from heron_cli.schedule.einsum import Access, PointOp

_C_TYPES = {
    "float16": "__half", "bfloat16": "__nv_bfloat16", "float32": "float",
    "int32": "int", "int8": "signed char", "uint8": "unsigned char",
}  # fmt: skip


class Epilogue:
    """Emits the way from sums to the output. `buffers` holds the data of every operand by name."""

    def __init__(self, geometry: Geometry, buffers: Mapping[str, Any]) -> None:
        self.geometry, self.buffers = geometry, buffers
        self.einsum = geometry.nest.einsum
        self.output = self.einsum.output
        self.along, self.vector = ("n", BLOCK) if geometry.direct else self._vector()
        self.kind = _C_TYPES[self.einsum.accumulate]
        self.values = tir.register("values", self.einsum.accumulate, self.vector)
        self.read = tir.register("read", self.einsum.accumulate, self.vector)
        self.scales = tir.register("scales", "float32", self.vector)

    def _vector(self) -> tuple[str, int]:
        """The dimension (m or n) along which the output is contiguous, and how many elements go at once."""
        for dim in ("n", "m"):
            name, extent = parts_of(self.geometry, self.output, self.geometry.axes[dim])[-1]
            leaves = any(
                self.output.dims[i].coefficient(name) for i in outside_of(self.output, self.einsum.iterators)
            )
            if extent > 1 and self.output.stride(name) == 1 and not leaves:
                return dim, self._width(name, extent)
        return "n", 1

    def _width(self, along: str, extent: int) -> int:
        whole = gcd(8, extent, PIECE // item_bytes(self.output.dtype))
        for access in (self.output, *(each for each in self.einsum.finishing if not each.constant)):
            for dim in access.dims:
                for name, coefficient in dim.terms:
                    if name != along:
                        whole = gcd(whole, dim.stride * coefficient)
        return whole

    def declare(self) -> list[Any]:
        """The registers of one piece."""
        scaled = any(op.kind == "scale" for op in self.einsum.epilogue)
        registers = (self.values, self.read, *([self.scales] if scaled else []))
        return [tir.allocate_register(each) for each in registers]

    def stage(self, shared: Any, sums: Any, lane: Any, results: Sequence[Pairs]) -> list[Any]:
        """Every thread's sums to their places in the tile."""
        return [
            tir.device(
                "heron_stage_2",
                tir.address(shared, self._at(pairs.row, pairs.column + lane % 4 * 2 + block * BLOCK)),
                tir.address(sums, pairs.first + 4 * block),
            )
            for pairs in results
            for block in range(pairs.blocks)
        ]

    def direct(
        self,
        sums: Any,
        lane: Any,
        results: Sequence[Pairs],
        first: Mapping[str, Any],
        batches: Mapping[str, Any],
    ) -> list[Any]:
        """Finish and write sums from registers: four lanes exchange theirs, each then has 8 neighbours."""
        statements = []
        plain = all(op.kind == "cast" for op in self.einsum.epilogue) and item_bytes(self.output.dtype) == 2
        call = f"heron_row_as<{_C_TYPES[self.output.dtype]}, {self.kind}>" if plain else "heron_row"
        for pairs in results:
            for block in range(0, pairs.blocks, 4):
                held = tir.address(sums, pairs.first + 4 * block)
                statements.append(tir.device(call, tir.address(self.values, 0), held))
                column = pairs.column + (lane % 4 + block) * BLOCK
                statements.append(self._piece([], pairs.row, column, first, batches, narrow=plain))
        return statements

    def _at(self, row: Any, column: Any) -> Any:
        return (row * self.geometry.pitch + column) * 4

    def write(
        self,
        shared: Any,
        thread: Any,
        share: Any,
        sharers: Sequence[Any],
        first: Mapping[str, Any],
        batches: Mapping[str, Any],
    ) -> Any:
        """Read the tile piece by piece, finish the sums, write what lies inside the output.

        `sharers` are the ranks of the blocks whose sums are added up, `share` is this block's place there.
        """
        geometry, self.sharers = self.geometry, sharers
        m, n, threads = geometry.block("m"), geometry.block("n"), geometry.workers * geometry.split
        down, across = (m, n // self.vector) if self.along == "n" else (m // self.vector, n)
        total = down * across
        rounds = -(-total // threads)

        def one(turn: Any) -> Any:
            number = turn * threads + thread
            if geometry.split > 1:
                number = number + share * geometry.workers
            if self.along == "n":
                row, column = number // across, number % across * self.vector
            else:
                row, column = number % down * self.vector, number // down
            body = self._piece(self._sums(shared, row, column), row, column, first, batches)
            return body if total % threads == 0 else tir.branch(number < total, body)

        return tir.loop("piece", rounds, one)

    def _piece(
        self,
        statements: list[Any],
        row: Any,
        column: Any,
        first: Mapping[str, Any],
        batches: Mapping[str, Any],
        narrow: bool = False,
    ) -> Any:
        """Finish and write a piece of sums, which `statements` bring; `narrow`: they are results already."""
        geometry = self.geometry
        i, j = first["m"] + row, first["n"] + column
        conditions = []
        for dim, index in (("m", i), ("n", j)):
            if geometry.extent(dim) % (geometry.block(dim) * geometry.shared(dim)):
                conditions.append(index < geometry.extent(dim))
        values = dict(batches)
        for dim, index in (("m", i), ("n", j)):
            axis = geometry.axes[dim]
            values[axis] = index
            parts = self.einsum.axis(axis).parts
            values |= take_apart(index, [(part.name, part.extent) for part in parts])
        for cropped in (self.output.dims[i] for i in outside_of(self.output, self.einsum.iterators)):
            here = coordinate(cropped, values)
            conditions += [here >= 0, here < cropped.extent]
        inner = [statement for op in self.einsum.epilogue for statement in self._step(op, values)]
        kind = _C_TYPES[self.output.dtype]
        to = tir.address(self.buffers["output"], flat(self.output, values))
        once = ", true" if geometry.passes(self.output) else ""
        words = f"heron_words<{self.vector * item_bytes(self.output.dtype) // 4}{once}>"
        call = words if narrow else f"heron_narrow<{self.vector}, {kind}, {self.kind}{once}>"
        inner.append(tir.device(call, to, tir.address(self.values, 0)))
        condition = tir.both(*conditions)
        whole = tir.sequence([*statements, *inner])
        return whole if condition is None else tir.branch(condition, whole)

    def _sums(self, shared: Any, row: Any, column: Any) -> list[Any]:
        """The sums of a piece, from this block or from every block of the cluster in turn."""
        kind, found = self.einsum.accumulate, []
        whole = self.along == "n" and self.vector > 1
        step = self.vector if whole else 1
        for i in range(0, self.vector, step):
            at = self._at(row, column) if self.along == "n" else self._at(row + i, column)
            place, to = tir.address(shared, at), tir.address(self.values, i)
            if self.geometry.split == 1:
                found.append(tir.device(f"heron_sums<{step}>", to, place))
                continue
            found += [tir.store(self.values, i + e, tir.zero(kind)) for e in range(step)]
            found += [
                tir.device(f"heron_cluster_add<{step}, {self.kind}>", to, place, rank)
                for rank in self.sharers
            ]
        return found

    def _step(self, op: PointOp, values: Mapping[str, Any]) -> list[Any]:
        """One step from a sum towards the output, on every sum of a piece."""
        if op.kind == "cast":
            return []  # the writing rounds

        def each(change: Any) -> list[Any]:
            return [
                tir.store(self.values, i, change(tir.load(self.values, i), i)) for i in range(self.vector)
            ]

        if op.kind == "shift":
            return each(lambda value, _: tir.shift_right(value, op.values[0]))
        if op.kind == "clip":
            low, high = op.values

            def clip(value: Any, _: Any) -> Any:
                value = (
                    value if high is None else tir.minimum(value, tir.constant(high, self.einsum.accumulate))
                )
                return value if low is None else tir.maximum(value, tir.constant(low, self.einsum.accumulate))

            return each(clip)
        assert op.operand is not None, op.kind
        if op.kind == "scale":
            (most,) = op.values
            assert most is not None

            def scale(value: Any, i: int) -> Any:
                wide = tir.cast(value, "float32", 1) * tir.load(self.scales, i)
                limits = tir.constant(most, "float32"), tir.constant(-most, "float32")
                clipped = tir.maximum(tir.minimum(wide, limits[0]), limits[1])
                return tir.cast(tir.nearest(clipped), self.einsum.accumulate, 1)

            return [*self._read(op.operand, values, self.scales), *each(scale)]
        assert op.kind == "add", op.kind
        read = self._read(op.operand, values, self.read)
        return [*read, *each(lambda value, i: value + tir.load(self.read, i))]

    def _read(self, access: Access, values: Mapping[str, Any], into: Any) -> list[Any]:
        """The elements of an operand of the epilogue that belong to a piece, widened to those of `into`."""
        name = parts_of(self.geometry, self.output, self.geometry.axes[self.along])[-1][0]
        names = {name, *(part.name for part in self.einsum.axis(self.geometry.axes[self.along]).parts)}
        along = {name} if name in access.names() else names & access.names()
        stride = sum(access.stride(each) for each in along)
        kind, wide = _C_TYPES[access.dtype], _C_TYPES[str(into.dtype)]
        data = self.buffers[access.name]
        at = flat(access, values)
        whole = stride == 1 and not access.constant
        if whole or self.vector == 1:
            call = f"heron_widen<{self.vector}, {kind}, {wide}>"
            return [tir.device(call, tir.address(into, 0), tir.address(data, at))]
        call = f"heron_widen<1, {kind}, {wide}>"
        return [
            tir.device(call, tir.address(into, i), tir.address(data, at + i * stride))
            for i in range(self.vector)
        ]
