"""The physical limit of a workload: products over the peak, bytes over the bandwidth of where they lie."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.native import HERE, BenchmarkError, load
from benchmarks.onednn.problem import DECONVOLUTION, MATMUL, Problem

_DRAM_BYTES = 1 << 30  # for each thread; more than a share of any last-level cache
_SECONDS = 0.04
_PAGE = 4096
_WIDTH = {"input": 1, "weight": 1, "output": 4}


@dataclass(frozen=True, slots=True)
class Level:
    """A memory for so many threads: what it holds, and bytes a second of reading and of writing."""

    name: str
    capacity: float
    read: float
    write: float


def levels(cores: Sequence[int], caches: Mapping[str, int]) -> list[Level]:
    """Measure with a thread on each core. `caches`: bytes of L1d, L2 and L3 as one core sees them.

    Private caches count once a thread. What a virtual machine does not tell is left out.
    """
    found = []
    threads = len(cores)
    for name, private in (("L1d", True), ("L2", True), ("L3", False)):
        if name in caches:
            size = caches[name]
            part = size * 5 // 8 if private else min(size // (4 * threads), 16 << 20)
            found.append(_level(name, size * (threads if private else 1), part, cores))
    return [*found, _level("DRAM", math.inf, _DRAM_BYTES // threads, cores)]


def _level(name: str, capacity: float, part: int, cores: Sequence[int]) -> Level:
    size = max(_PAGE, part // _PAGE * _PAGE)
    return Level(name, capacity, _measure(cores, size, False), _measure(cores, size, True))


def _measure(cores: Sequence[int], size: int, write: bool) -> float:
    """Bytes a second; the best of three runs."""
    function = load(HERE / "bandwidth.c", ["-pthread"]).bandwidth
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_int64, ctypes.c_int32]
    numbers = (ctypes.c_int32 * len(cores))(*cores)
    passes = max(1, int(_SECONDS * 20e9 / size))
    speeds = [function(numbers, len(cores), size, passes, int(write)) for _ in range(3)]
    if min(speeds) <= 0:
        raise BenchmarkError(f"bandwidth: {len(cores)} threads with {size:,} bytes each were refused")
    return max(speeds)


def real_products(problem: Problem, operations: int) -> int:
    """Products of elements that exist: taps in the padding do not count, nor outputs cut off."""
    if problem.kind == MATMUL:
        return operations // 2
    window = problem.window
    scatter = problem.kind == DECONVOLUTION
    space = slice(2, None)
    fine, coarse = problem.input.logical[space], problem.output.logical[space]
    if scatter:
        fine, coarse = coarse, fine
    nominal = real = 1
    for extent, count, taps, stride, dilation, before in zip(
        fine, coarse, window.kernel, window.stride, window.dilation, window.before, strict=True
    ):
        nominal *= count * taps
        real *= sum(
            0 <= i * stride + tap * dilation - before < extent for i in range(count) for tap in range(taps)
        )
    return operations // 2 * real // nominal


@dataclass(frozen=True, slots=True)
class Limit:
    """The least seconds of a call, and what sets them: `compute`, or the level that the data is in."""

    seconds: float
    by: str


def limit(problem: Problem, peak_operations: float, memory: Sequence[Level]) -> Limit:
    """Every operand moves once between the core and the smallest level that holds them all.

    `peak_operations` a second of all threads together, two for a product. Reading, writing and computing
    may overlap completely, so the longest of them counts.
    """
    sizes = {name: math.prod(getattr(problem, name).shape) * each for name, each in _WIDTH.items()}
    level = next(level for level in memory if sum(sizes.values()) <= level.capacity)
    compute = 2 * real_products(problem, problem.operations) / peak_operations
    moved = max((sizes["input"] + sizes["weight"]) / level.read, sizes["output"] / level.write)
    return Limit(compute, "compute") if compute >= moved else Limit(moved, level.name)


def to_levels(document: Sequence[Mapping[str, Any]]) -> list[Level]:
    """Read what `dataclasses.asdict` wrote."""
    return [Level(**entry) for entry in document]
