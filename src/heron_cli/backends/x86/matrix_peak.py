"""The loop whose pace is the peak of an intrinsic on matrix registers, see `peak.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.base import Kernel, Operand
from heron_cli.backends.x86 import forms, inline, matrix
from heron_cli.backends.x86.compile import compile_function, digest, inspect
from heron_cli.backends.x86.dot import Dot
from heron_cli.elements import BYTES


def build(symbol: str, dot: Dot, sums: int, steps: int, target: Mapping[str, Any]) -> Kernel:
    """A kernel `symbol(input, weight, sums)` of `steps` times `sums` instructions, as `peak.build` makes one.

    Input and weight fill a register each, the sums one after the other so many.

    Raises BuildError when the compiler refuses it.
    """
    carried, rows, lanes = inline.carrier(dot.types[1]), dot.rows, dot.lanes
    depth = dot.depth * BYTES[dot.types[0]]
    registers = matrix.Registers(sums, 1, rows, lanes, depth)
    words = tir.argument("input", "int32", rows * depth // matrix.WORD, 64)
    weights = tir.argument("weight", carried, lanes * dot.depth, 64)
    totals = tir.argument("sums", dot.accumulate, sums * rows * lanes, 64)
    row = lanes * BYTES[dot.accumulate]

    def step(_: Any) -> Any:
        operands = registers.input(0), registers.weight(0)
        return tir.sequence([matrix.multiply(dot.name, registers.sum(i, 0), *operands) for i in range(sums)])

    statements = [
        matrix.load(registers.input(0), words[1], 0, depth),
        matrix.load(registers.weight(0), weights[1], 0, lanes * matrix.WORD),
        *(matrix.load(registers.sum(i, 0), totals[1], i * rows * lanes, row) for i in range(sums)),
        tir.loop("step", steps, step),
        *(matrix.store(registers.sum(i, 0), totals[1], i * rows * lanes, row) for i in range(sums)),
    ]
    body = registers.configured(tir.sequence(statements))
    code = compile_function(symbol, forms.function(symbol, [words, weights, totals], body), target)
    operands = (
        Operand("input", (rows * depth // matrix.WORD,), "int32"),
        Operand("weight", (lanes * dot.depth,), carried),
        Operand("sums", (sums * rows * lanes,), dot.accumulate),
    )
    return Kernel(symbol, operands, code, digest(code), inspect(code, dot.name.rpartition(".")[2]))
