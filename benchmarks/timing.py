"""Time native functions in bursts, and compare two of them in interleaved rounds."""

from __future__ import annotations

import ctypes
import functools
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.native import HERE, BenchmarkError, load


@dataclass(frozen=True, slots=True)
class Burst:
    """Seconds per call, averaged over one burst of calls in a row."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class NativeCall:
    """A C function ``int32_t f(void *, …)`` with its arguments bound; `owner` keeps them alive."""

    address: int
    arguments: tuple[int, ...]
    owner: Any

    def repeat(self, count: int) -> Burst:
        """Call `count` times in a row; raises BenchmarkError when a call returns a status other than 0."""
        pointers = (ctypes.c_void_p * len(self.arguments))(*self.arguments)
        elapsed = (ctypes.c_double * 2)()
        status = _repeat()(self.address, pointers, len(self.arguments), count, elapsed)
        if status:
            raise BenchmarkError(f"a timed function returned status {status}")
        return Burst(elapsed[0] / count, elapsed[1] / count)

    def burst_length(self, seconds: float) -> int:
        """How many calls fill about `seconds`, found by doubling."""
        count = 1
        while True:
            once = self.repeat(count).wall
            if once * count >= seconds / 4:
                return max(1, round(seconds / once))
            count *= 2


@functools.cache
def _repeat() -> Any:
    function = load(HERE / "timing.c").benchmark_repeat
    function.argtypes = [
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_void_p),
        ctypes.c_int32,
        ctypes.c_int64,
        ctypes.POINTER(ctypes.c_double),
    ]
    function.restype = ctypes.c_int32
    return function


@dataclass(frozen=True, slots=True)
class Ratio:
    """A median of ratios and its 95 % bootstrap interval."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Bursts of two functions, one of each per round."""

    first: tuple[Burst, ...]
    second: tuple[Burst, ...]

    def ratio(self, clock: str = "cpu") -> float:
        """Median over rounds of first / second: above 1 the second is faster. `clock`: cpu or wall."""
        pairs = zip(self.first, self.second, strict=True)
        return float(np.median([getattr(a, clock) / getattr(b, clock) for a, b in pairs]))

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Comparison:
        """Read what `dataclasses.asdict` wrote."""
        first, second = (tuple(Burst(**burst) for burst in document[side]) for side in ("first", "second"))
        return cls(first, second)


def median_interval(values: Sequence[float], resamples: int = 2000) -> Ratio:
    """The median with its percentile-bootstrap interval; the same values give the same interval."""
    data = np.asarray(values, dtype=np.float64)
    picks = np.random.default_rng(0).integers(0, len(data), size=(resamples, len(data)))
    low, high = np.percentile(np.median(data[picks], axis=1), [2.5, 97.5])
    return Ratio(float(np.median(data)), float(low), float(high))


def median_seconds(bursts: Sequence[Burst], clock: str = "cpu") -> float:
    """The median over bursts of seconds per call."""
    return float(np.median([getattr(burst, clock) for burst in bursts]))


def geomean(values: Sequence[float]) -> float:
    """The geometric mean."""
    return math.exp(sum(math.log(value) for value in values) / len(values))


def interleave(first: NativeCall, second: NativeCall, rounds: int = 31, seconds: float = 0.02) -> Comparison:
    """Rounds of A B A B …, each burst about `seconds` long, after a warm-up of both.

    Machine noise (other guests, clock changes) is slower than a round, so it cancels in the ratios.
    """
    counts = first.burst_length(seconds), second.burst_length(seconds)
    bursts = [(first.repeat(counts[0]), second.repeat(counts[1])) for _ in range(rounds)]
    return Comparison(tuple(a for a, _ in bursts), tuple(b for _, b in bursts))


def sample(call: NativeCall, rounds: int = 15, seconds: float = 0.02) -> tuple[Burst, ...]:
    """Bursts of one function alone."""
    count = call.burst_length(seconds)
    return tuple(call.repeat(count) for _ in range(rounds))


def pin(core: int | None = None) -> int:
    """Pin this process to one core (default: the last it may use; the first takes the interrupts)."""
    allowed = sorted(os.sched_getaffinity(0))
    chosen = allowed[-1] if core is None else core
    if chosen not in allowed:
        raise BenchmarkError(f"core {chosen} is not available to this process; it may use {allowed}")
    os.sched_setaffinity(0, {chosen})
    return chosen
