"""The physical limit of a workload: products over the peak, bytes over the bandwidth of where they lie."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from benchmarks.native import HERE, BenchmarkError, load
from benchmarks.onednn.problem import CONVOLUTION, DECONVOLUTION, MATMUL, Problem
from heron_cli.elements import BYTES

_DRAM_BYTES = 1 << 30  # for each thread; more than a share of any last-level cache
_SECONDS = 0.04
_PAGE = 4096
_KINDS = ("read", "write", "write past caches")  # by the numbers of bandwidth.c


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
    names = [name for name in ("L1d", "L2", "L3") if name in caches]
    return [again(Level(name, 0, 0, 0), cores, caches) for name in (*names, "DRAM")]


def again(level: Level, cores: Sequence[int], caches: Mapping[str, int], runs: int = 3) -> Level:
    """The level as it is measured now, best of `runs`; the arguments are those of `levels`."""
    threads, size = len(cores), caches.get(level.name, 0)
    if level.name == "DRAM":
        part, capacity = _DRAM_BYTES // threads, math.inf
    elif level.name == "L3":
        part, capacity = min(size // (4 * threads), 16 << 20), float(size)
    else:
        part, capacity = size * 5 // 8, float(size * threads)
    part = max(_PAGE, part // _PAGE * _PAGE)
    runs = 1 if level.name == "DRAM" else runs  # a gigabyte is touched for each
    write = _measure(cores, part, "write", runs)
    if level.name in ("L3", "DRAM"):  # whose lines need not be read to be written
        write = max(write, _measure(cores, part, "write past caches", runs))
    return Level(level.name, capacity, _measure(cores, part, "read", runs), write)


def _measure(cores: Sequence[int], size: int, kind: str, runs: int) -> float:
    """Bytes a second; the best of all runs, as one stream and as four."""
    function = load(HERE / "bandwidth.c", ["-pthread"]).bandwidth
    function.restype = ctypes.c_double
    numbers = ctypes.c_int32
    function.argtypes = [ctypes.c_void_p, numbers, ctypes.c_int64, ctypes.c_int64, numbers, numbers]
    given = (numbers * len(cores))(*cores)
    passes = max(1, int(_SECONDS * 20e9 / size))
    speeds = [
        function(given, len(cores), size, passes, _KINDS.index(kind), streams)
        for _ in range(runs)
        for streams in (1, 4)
    ]
    if min(speeds) <= 0:
        raise BenchmarkError(f"bandwidth: {len(cores)} threads with {size:,} bytes each were refused")
    return max(speeds)


def together(a: int, b: int) -> float:
    """How many times faster two CPUs read from their L1 than one of them; 1 for two of one core."""
    return _measure([a, b], 4 * _PAGE, "read", 3) / _measure([a], 4 * _PAGE, "read", 3)


@cache  # asked for each burst
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


@cache
def moved_bytes(problem: Problem) -> Mapping[str, int]:
    """Bytes of each operand that a call must touch: a strided window may pass over parts of the input."""
    sizes = {
        name: math.prod(getattr(problem, name).shape) * BYTES[getattr(problem.types, name)]
        for name in ("input", "weight", "output")
    }
    if problem.kind != CONVOLUTION:  # a transposed convolution writes all of its output
        return sizes
    window, space = problem.window, slice(2, None)
    for extent, count, taps, stride, dilation, before in zip(
        problem.input.logical[space],
        problem.output.logical[space],
        window.kernel,
        window.stride,
        window.dilation,
        window.before,
        strict=True,
    ):
        places = {i * stride + tap * dilation - before for i in range(count) for tap in range(taps)}
        sizes["input"] = sizes["input"] * len(places & set(range(extent))) // extent
    return sizes


@dataclass(frozen=True, slots=True)
class Limit:
    """The least seconds of a call, and what sets them: `compute`, or the level that the data is in."""

    seconds: float
    by: str


def level_of(problem: Problem, memory: Sequence[Level]) -> Level:
    """The smallest level that holds what a call moves."""
    moved = sum(moved_bytes(problem).values())
    return next(level for level in memory if moved <= level.capacity)


def limit(problem: Problem, peak_operations: float, level: Level) -> Limit:
    """Every operand moves once between the core and the level that it lies in.

    `peak_operations` a second of all threads together, two for a product. Reading, writing and computing
    may overlap completely, so the longest of them counts.
    """
    sizes = moved_bytes(problem)
    compute = 2 * real_products(problem, problem.operations) / peak_operations
    moved = max((sizes["input"] + sizes["weight"]) / level.read, sizes["output"] / level.write)
    return Limit(compute, "compute") if compute >= moved else Limit(moved, level.name)


def to_levels(document: Sequence[Mapping[str, Any]]) -> list[Level]:
    """Read what `dataclasses.asdict` wrote."""
    return [Level(**entry) for entry in document]
