"""How many products a second this machine's intrinsics make at most: a loop of them on registers, timed.

The clock of a processor follows load and temperature, so that no document tells the peak. The loop is as free
as can be: nothing is loaded or stored in it, and there are more sums than an instruction takes cycles. The
fastest of many short bursts counts; other work on the machine matters only if it takes part in all of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil, inf
from typing import Any

import numpy as np

from heron_cli.accelerator.model import Accelerator, Intrinsic
from heron_cli.backends import tir
from heron_cli.backends.base import Kernel, Operand
from heron_cli.backends.buffers import aligned_empty
from heron_cli.backends.x86 import forms, inline
from heron_cli.backends.x86.compile import compile_function, digest
from heron_cli.backends.x86.dot import Dot
from heron_cli.backends.x86.loader import load

SYMBOL = "heron_peak"
STEPS = 1024
"""Iterations of the loop in one call; each does one instruction for every sum."""
_BYTES = 0x3F  # 63 as an integer, in pairs 0.746 as bfloat16
_CALLS = 8  # of a burst: some 60 µs
_SECONDS = 0.04  # of bursts on a core: its clock takes a while to rise
_CORES = 8  # that are tried at most; others are like them


def dot_of(intrinsic: Intrinsic) -> Dot:
    """The largest form of an intrinsic."""
    shape = max(intrinsic.shapes, key=_lanes)
    types = intrinsic.dtypes
    name = intrinsic.extra.get("llvm", "")
    return Dot(name, _lanes(shape), shape["k"], types.accumulate, (types.input, types.weight))


def _lanes(shape: Mapping[str, int]) -> int:
    return shape["n"] * shape.get("batch", 1)


def sums_of(accelerator: Accelerator) -> int:
    """Sums that are kept in registers, beside an input, a weight and some to spare."""
    held = [
        m.units["vectors"] for m in accelerator.memories if "accumulate" in m.holds and "vectors" in m.units
    ]
    return max(1, min(held, default=16) - 4)


def build(dot: Dot, sums: int, target: Mapping[str, Any]) -> Kernel:
    """A kernel `heron_peak(input, weight, sums)` of `STEPS` times `sums` instructions.

    Raises BuildError when the compiler refuses it.
    """
    carried, lanes = inline.carrier(dot.types[1]), dot.lanes
    words = tir.argument("input", "int32", lanes, 64)
    weights = tir.argument("weight", carried, lanes * dot.depth, 64)
    totals = tir.argument("sums", dot.accumulate, sums * lanes, 64)
    registers = [tir.register(f"sum{i}", dot.accumulate, lanes) for i in range(sums)]
    word, vector = tir.load(words[1], 0, lanes), tir.load(weights[1], 0, lanes * dot.depth)

    def move(target: Any, at: int, source: Any, of: int) -> Any:
        return tir.store(target, at, tir.load(source, of, lanes), lanes)

    def step(_: Any) -> Any:
        values = [dot.multiply(tir.load(each, 0, lanes), word, vector) for each in registers]
        return tir.sequence([tir.store(each, 0, v, lanes) for each, v in zip(registers, values, strict=True)])

    statements = [tir.allocate_register(each) for each in registers]
    # the compiler would compute sums once that it knows to begin alike
    statements += [move(each, 0, totals[1], i * lanes) for i, each in enumerate(registers)]
    statements.append(tir.loop("step", STEPS, step))
    statements += [move(totals[1], i * lanes, each, 0) for i, each in enumerate(registers)]
    body = dot.within(tir.sequence(statements))
    code = compile_function(SYMBOL, forms.function(SYMBOL, [words, weights, totals], body), target)
    operands = (
        Operand("input", (lanes,), "int32"),
        Operand("weight", (lanes * dot.depth,), carried),
        Operand("sums", (sums * lanes,), dot.accumulate),
    )
    return Kernel(SYMBOL, operands, code, digest(code))


def buffers(kernel: Kernel) -> list[Any]:
    """Operands of a kernel of `build`, the sums zero."""
    made = [aligned_empty(operand.shape, operand.dtype) for operand in kernel.operands]
    for array in made[:2]:
        array.view(np.uint8)[...] = _BYTES
    made[2][...] = 0
    return made


class Peaks:
    """The fastest that this process has seen of each intrinsic."""

    def __init__(self) -> None:
        self._kernels: dict[Any, Kernel] = {}
        self._best: dict[Any, float] = {}

    def products(
        self, accelerator: Accelerator, intrinsics: Sequence[Intrinsic], cores: Sequence[int]
    ) -> float:
        """Products a second of so many cores, with the best of `intrinsics`.

        Each counts as much as the fastest of them alone: at once they may be slower, but how much depends on
        the moment (the clock, whether two are threads of one), and a bound must not.

        Raises BuildError when the loop cannot be compiled, InputError without a compiler or linker.
        """
        each = max(self._of_core(accelerator, dot, cores) for dot in dict.fromkeys(map(dot_of, intrinsics)))
        return len(cores) * each

    def _of_core(self, accelerator: Accelerator, dot: Dot, cores: Sequence[int]) -> float:
        sums, key = sums_of(accelerator), (accelerator.digest, dot)
        if key not in self._kernels:
            self._kernels[key] = build(dot, sums, accelerator.tvm_target)
        tried = cores[:: ceil(len(cores) / _CORES)]
        rate = _CALLS * STEPS * sums * dot.lanes * dot.depth / min(fastest(self._kernels[key], tried))
        self._best[key] = max(rate, self._best.get(key, 0.0))
        return self._best[key]


def fastest(kernel: Kernel, cores: Sequence[int]) -> list[float]:
    """Seconds of the fastest burst on each core, one core after the other."""
    loaded, operands = load(kernel, threads=1), buffers(kernel)

    def bursts(core: int) -> float:
        os.sched_setaffinity(0, {core})  # of this thread alone
        until, least = time.perf_counter() + _SECONDS, inf
        while least == inf or time.perf_counter() < until:
            least = min(least, loaded.repeat(operands, _CALLS))
        return least

    try:
        with ThreadPoolExecutor(1) as thread:
            return list(thread.map(bursts, cores))
    finally:
        loaded.close()
