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
from functools import partial
from typing import Any

import numpy as np

from heron_cli.accelerator.model import Accelerator, Intrinsic
from heron_cli.backends import tir
from heron_cli.backends.base import Kernel, LoadedKernel, Operand
from heron_cli.backends.buffers import aligned_empty
from heron_cli.backends.x86 import forms, inline
from heron_cli.backends.x86.compile import compile_function, digest
from heron_cli.backends.x86.dot import Dot
from heron_cli.backends.x86.loader import load

SYMBOL = "heron_peak"
STEPS = 1024
"""Iterations of the loop in one call; each does one instruction for every sum."""
_BYTES = 0x3F  # 63 as an integer, 0.75 in pairs as bfloat16: products that neither overflow nor vanish
_CALLS = 8  # of a burst: some 60 µs
_LEAST = 10  # bursts
_SECONDS = 0.04  # of bursts, for a core to reach its clock


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
    """A kernel `heron_peak(input, weight, sums)` of `STEPS` times `sums` instructions. Raises BuildError."""
    carried, lanes = inline.carrier(dot.types[1]), dot.lanes
    words = tir.argument("input", "int32", lanes, 64)
    weights = tir.argument("weight", carried, lanes * dot.depth, 64)
    totals = tir.argument("sums", dot.accumulate, sums * lanes, 64)
    registers = [tir.register(f"sum{i}", dot.accumulate, lanes) for i in range(sums)]

    def step(_: Any) -> Any:
        return tir.sequence(
            [
                tir.store(
                    register,
                    0,
                    dot.multiply(
                        tir.load(register, 0, lanes),
                        tir.load(words[1], 0, lanes),
                        tir.load(weights[1], 0, lanes * dot.depth),
                    ),
                    lanes,
                )
                for register in registers
            ]
        )

    body = tir.sequence(
        [
            *map(tir.allocate_register, registers),
            # sums that begin alike would be computed once
            *(tir.store(r, 0, tir.load(totals[1], i * lanes, lanes), lanes) for i, r in enumerate(registers)),
            tir.loop("step", STEPS, step),
            *(tir.store(totals[1], i * lanes, tir.load(r, 0, lanes), lanes) for i, r in enumerate(registers)),
        ]
    )
    code = compile_function(
        SYMBOL, forms.function(SYMBOL, [words, weights, totals], dot.within(body)), target
    )
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
        """Products a second of so many cores, each as fast as the fastest with the best of `intrinsics`.

        Raises BuildError when the loop cannot be compiled, InputError without a compiler or linker.
        """
        dots = dict.fromkeys(map(dot_of, intrinsics))
        return len(cores) * max(self._of_core(accelerator, dot, cores) for dot in dots)

    def _of_core(self, accelerator: Accelerator, dot: Dot, cores: Sequence[int]) -> float:
        """Products a second of the fastest core so far."""
        sums, key = sums_of(accelerator), (accelerator.digest, dot)
        if key not in self._kernels:
            self._kernels[key] = build(dot, sums, accelerator.tvm_target)
        loaded = load(self._kernels[key], threads=1)
        try:
            with ThreadPoolExecutor(1) as one:  # so that the others of this process stay where they are
                fastest = min(
                    one.submit(_burst, loaded, buffers(self._kernels[key]), core).result() for core in cores
                )
        finally:
            loaded.close()
        rate = _CALLS * STEPS * sums * dot.lanes * dot.depth / fastest
        self._best[key] = max(rate, self._best.get(key, 0.0))
        return self._best[key]


def _burst(kernel: LoadedKernel, operands: Sequence[Any], core: int) -> float:
    """Seconds of the fastest burst on a core, to which the calling thread is bound."""
    os.sched_setaffinity(0, {core})
    burst = partial(kernel.repeat, operands, _CALLS)
    until = time.perf_counter() + _SECONDS
    fastest = min(burst() for _ in range(_LEAST))
    while time.perf_counter() < until:
        fastest = min(fastest, burst())
    return fastest
