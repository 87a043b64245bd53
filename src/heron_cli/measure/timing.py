"""How long a kernel takes: calls in slices long enough to time, as many slices as its rank deserves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from statistics import median, quantiles

Repeat = Callable[[int], float]
"""Seconds of wall clock for so many calls in a row."""

_MOST_CALLS = 1 << 30


class TimingError(Exception):
    """The clock or the kernel's timing loop gives nonsense."""


@dataclass(frozen=True, slots=True)
class TimingOptions:
    """How to time. Lengths in seconds.

    A slice is one timed loop of at least `slice_seconds`; its calls per second are one sample. Slices are
    taken for `floor_seconds` and at least `least_slices`; for `close_floor_seconds` when the candidate is
    within `close_ratio` of the incumbent (or ahead of it); and on until the relative inter-quartile range
    is at most `spread_goal` or `most_seconds` are over. A candidate whose first slice is slower than
    `give_up_ratio` times the incumbent is not timed any longer. `rounds` is the number of slices of each
    kernel in an interleaved comparison.
    """

    warmup_seconds: float = 0.01
    slice_seconds: float = 0.01
    least_slices: int = 5
    floor_seconds: float = 0.06
    close_ratio: float = 1.1
    close_floor_seconds: float = 0.15
    spread_goal: float = 0.03
    most_seconds: float = 0.3
    give_up_ratio: float = 1.5
    rounds: int = 15

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above zero, not {getattr(self, name)}")
        if self.close_ratio < 1 or self.give_up_ratio < self.close_ratio:
            raise ValueError("1 <= close_ratio <= give_up_ratio must hold")


@dataclass(frozen=True, slots=True)
class Timing:
    """Median seconds per call, relative inter-quartile range, number of slices and of calls per slice.

    `gave_up` says that the kernel was dropped after its first slice, as clearly slower than the incumbent.
    """

    seconds: float
    spread: float
    slices: int
    calls: int
    gave_up: bool = False


def summarise(samples: Sequence[float], calls: int, gave_up: bool = False) -> Timing:
    """Median and spread of seconds per call. Raises TimingError when the clock stood still."""
    middle = median(samples)
    if middle <= 0:
        raise TimingError(f"{calls} calls take {middle} s")
    low, _, high = quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else (middle,) * 3
    return Timing(middle, (high - low) / middle, len(samples), calls, gave_up)


def calibrate(repeat: Repeat, options: TimingOptions) -> tuple[int, float]:
    """Warm up; returns the calls that fill a slice, and seconds per call as seen so far."""
    calls, spent = 1, 0.0
    while True:
        seconds = checked(repeat(calls))
        spent += seconds
        enough = seconds >= options.slice_seconds / 4 and spent >= options.warmup_seconds
        if enough or seconds >= options.slice_seconds:
            per_call = seconds / calls
            return max(1, ceil(options.slice_seconds / per_call)), per_call
        growth = 10.0 if seconds <= 0 else min(10.0, max(1.0, options.slice_seconds / 2 / seconds))
        calls = max(calls, int(calls * growth))
        if calls > _MOST_CALLS:
            raise TimingError(f"{calls} calls take {seconds} s")


def time_kernel(repeat: Repeat, options: TimingOptions, incumbent: float | None = None) -> Timing:
    """Time a kernel, with an eye on the best `incumbent` seconds per call so far."""
    calls, estimate = calibrate(repeat, options)
    if estimate >= options.most_seconds:  # that one call was a slice already
        return summarise([estimate], calls)
    samples: list[float] = []
    spent = 0.0
    while True:
        seconds = checked(repeat(calls))
        spent += seconds
        samples.append(seconds / calls)
        if len(samples) == 1 and incumbent is not None:
            best = min(samples[0], estimate)
            if best > options.give_up_ratio * incumbent:
                return summarise([*samples, estimate], calls, gave_up=True)
        if _enough(samples, spent, calls, options, incumbent):
            return summarise(samples, calls)


def interleave(repeats: Sequence[Repeat], options: TimingOptions) -> list[Timing]:
    """Time kernels side by side, one slice of each in turn, so that drift of the clock hits all alike."""
    calls = [calibrate(repeat, options)[0] for repeat in repeats]
    samples: list[list[float]] = [[] for _ in repeats]
    for _ in range(options.rounds):
        for taken, repeat, count in zip(samples, repeats, calls, strict=True):
            taken.append(checked(repeat(count)) / count)
    return [summarise(taken, count) for taken, count in zip(samples, calls, strict=True)]


def _enough(
    samples: list[float], spent: float, calls: int, options: TimingOptions, incumbent: float | None
) -> bool:
    if spent >= options.most_seconds:
        return True
    now = summarise(samples, calls)
    close = incumbent is None or now.seconds <= options.close_ratio * incumbent
    floor = options.close_floor_seconds if close else options.floor_seconds
    return len(samples) >= options.least_slices and spent >= floor and now.spread <= options.spread_goal


def checked(seconds: float) -> float:
    """`seconds` if a clock can say that. Raises TimingError."""
    if not isfinite(seconds) or seconds < 0:
        raise TimingError(f"the timing loop says {seconds} s")
    return seconds
