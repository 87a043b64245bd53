"""The epilogue on one vector of sums, in registers, between the last product and the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from heron_cli.backends import tir
from heron_cli.schedule.einsum import Access, PointOp
from heron_cli.schedule.nest import Nest


class Finish:
    """Applies the steps of a nest's epilogue; `buffers` are the operands that it reads, in its order."""

    def __init__(self, nest: Nest, buffers: Sequence[Any]) -> None:
        lane = nest.lane
        assert lane is not None
        self.lane, self.width = lane, nest.tilings[lane].unit
        self.einsum = nest.einsum
        named = {access.name: buffer for access, buffer in zip(nest.einsum.finishing, buffers, strict=True)}
        self.buffers: Mapping[str, Any] = named

    def apply(self, sums: Any, at: Mapping[str, Any], column: Any, valid: int) -> tuple[list[Any], Any]:
        """Statements, and the register buffer in which they leave what is to be stored.

        `at` holds the iteration of every spatial axis but the lanes', whose first is `column`; `valid` lanes
        are real.
        """
        if not self.einsum.epilogue:
            return [], sums
        dtype, statements = self.einsum.accumulate, list[Any]()
        value = tir.load(sums, 0, self.width)
        for op in self.einsum.epilogue:
            operand = None
            if op.operand is not None:
                operand = self._operand(op.operand, at, column, valid, statements)
            value = self._step(op, value, operand, dtype)
        result = tir.register("finished", self.einsum.output.dtype, self.width)
        statements += [tir.allocate_register(result), tir.store(result, 0, value, self.width)]
        return statements, result

    def _step(self, op: PointOp, value: Any, operand: Any, dtype: str) -> Any:
        match op.kind:
            case "add":
                return value + tir.cast(operand, dtype, self.width)
            case "scale":
                most = tir.constant(float(op.values[0] or 0), "float32", self.width)
                wide = tir.cast(value, "float32", self.width) * operand
                clipped = tir.maximum(tir.minimum(wide, most), -most)
                return tir.cast(tir.nearest(clipped), dtype, self.width)
            case "shift":
                return value >> tir.constant(op.values[0] or 0, dtype, self.width)
            case "clip":
                low, high = op.values
                value = value if high is None else tir.minimum(value, tir.constant(high, dtype, self.width))
                return value if low is None else tir.maximum(value, tir.constant(low, dtype, self.width))
            case "cast":
                return tir.cast(value, self.einsum.output.dtype, self.width)

    def _operand(
        self, access: Access, at: Mapping[str, Any], column: Any, valid: int, statements: list[Any]
    ) -> Any:
        """The lanes of an operand; where they do not lie side by side, or not all exist, one by one."""
        buffer, stride = self.buffers[access.name], access.stride(self.lane)
        moved = (at[name] * access.stride(name) for name in at)
        begin = sum(moved, access.offset()) + column * stride
        if stride == 0:
            return tir.broadcast(tir.load(buffer, begin), self.width)
        if stride == 1 and valid == self.width:
            return tir.load(buffer, begin, self.width)
        lanes = tir.register(access.name, access.dtype, self.width)
        statements += [
            tir.allocate_register(lanes),
            tir.store(lanes, 0, tir.zero(access.dtype, self.width), self.width),
            *(tir.store(lanes, i, tir.load(buffer, begin + i * stride)) for i in range(valid)),
        ]
        return tir.load(lanes, 0, self.width)
