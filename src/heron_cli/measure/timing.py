"""How long a kernel takes: calls in slices long enough to time, as many slices as its rank deserves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf, isfinite
from statistics import median, quantiles

from heron_cli.backends.base import Backend, OwnDevice

Repeat = Callable[[int], float]
"""Seconds of wall clock for so many calls in a row."""

Preemptions = Callable[[], int]
"""How often the system has taken the processor away from this process so far."""

_MOST_CALLS = 1 << 30
_AGREEING = 3  # slices
_LEAST_ROUNDS = 5  # of a comparison that was to have more
_LONG = 1.5  # seconds of each kernel's slices that are enough for a comparison


class TimingError(Exception):
    """The clock or the kernel's timing loop gives nonsense."""


@dataclass(frozen=True, slots=True)
class TimingOptions:
    """How to time. Lengths in seconds.

    A slice is one timed loop of at least `slice_seconds`; its seconds per call are one sample. Slices are
    short, so that on a busy machine some are not preempted; only those count if there are enough. They are
    taken for `floor_seconds` and at least `least_slices`; for `close_floor_seconds` when the candidate is
    within `close_ratio` of the incumbent (or ahead of it); and on until the relative inter-quartile range
    is at most `spread_goal` or `most_seconds` are over. A candidate whose first slice is slower than
    `give_up_ratio` times the incumbent is not timed any longer. `rounds` is the number of slices of each
    kernel in an interleaved comparison. `host` says that the host's processor is what is timed: then
    its preemptions and its pace count, else a device's own clock is read and they do not.
    """

    warmup_seconds: float = 0.01
    slice_seconds: float = 0.004
    least_slices: int = 7
    floor_seconds: float = 0.06
    close_ratio: float = 1.1
    close_floor_seconds: float = 0.15
    spread_goal: float = 0.03
    most_seconds: float = 0.3
    give_up_ratio: float = 1.5
    rounds: int = 25
    host: bool = True

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if name != "host" and not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above zero, not {getattr(self, name)}")
        if self.close_ratio < 1 or self.give_up_ratio < self.close_ratio:
            raise ValueError("1 <= close_ratio <= give_up_ratio must hold")


def timing_of(backend: Backend) -> TimingOptions:
    """How kernels of a back end are timed: as it says itself, or as suits this machine's processor."""
    return backend.timing if isinstance(backend, OwnDevice) else TimingOptions()


@dataclass(frozen=True, slots=True)
class Timing:
    """Median seconds per call, relative inter-quartile range, number of slices and of calls per slice.

    `gave_up` says that the kernel was dropped after its first slice, as clearly slower than the incumbent;
    `disturbed` that there were too few slices without preemption, so that the others count as well. `pace` is
    how many times as long as at best a fixed piece of work took before or after (yardstick.py); if the
    seconds are `corrected`, another kernel beside this one (companion.py). `least`: what some slices agree
    on, the third shortest per call; a single one may be short because the clock jumped.
    """

    seconds: float
    spread: float
    slices: int
    calls: int
    gave_up: bool = False
    disturbed: bool = False
    pace: float = 1.0
    corrected: bool = False
    least: float = inf


def summarise(samples: Sequence[float], calls: int) -> Timing:
    """Median and spread of seconds per call. Raises TimingError when the clock stood still."""
    middle = median(samples)
    if middle <= 0:
        raise TimingError(f"{calls} calls take {middle} s")
    low, _, high = quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else (middle,) * 3
    least = sorted(samples)[:_AGREEING][-1]
    return Timing(middle, (high - low) / middle, len(samples), calls, least=least)


def calibrate(repeat: Repeat, options: TimingOptions) -> tuple[int, float]:
    """Warm up; returns the calls that fill a slice, and seconds per call as seen so far.

    A loop that was preempted looks as if it filled a slice: what seems long enough is repeated, and the
    shorter time counts.
    """
    calls, spent = 1, 0.0
    while True:
        seconds = checked(repeat(calls))
        spent += seconds
        if options.slice_seconds / 4 <= seconds < 4 * options.most_seconds:
            again = checked(repeat(calls))
            spent += again
            seconds = min(seconds, again)
        enough = seconds >= options.slice_seconds / 4 and spent >= options.warmup_seconds
        if enough or seconds >= options.slice_seconds:
            per_call = seconds / calls
            return max(1, ceil(options.slice_seconds / per_call)), per_call
        growth = 10.0 if seconds <= 0 else min(10.0, max(1.0, options.slice_seconds / 2 / seconds))
        calls = max(calls, int(calls * growth))
        if calls > _MOST_CALLS:
            raise TimingError(f"{calls} calls take {seconds} s")


class _Slices:
    """The samples of one kernel: those that were not preempted, and all."""

    def __init__(self, repeat: Repeat, options: TimingOptions, preemptions: Preemptions) -> None:
        self._repeat, self._options, self._preemptions = repeat, options, preemptions
        self.calls, self.estimate = calibrate(repeat, options)
        self.clean: list[float] = []
        self.all: list[float] = []
        self.spent = 0.0

    def take(self) -> None:
        before = self._preemptions()
        seconds = checked(self._repeat(self.calls))
        self.spent += seconds
        self.all.append(seconds / self.calls)
        if self._preemptions() == before:
            self.clean.append(self.all[-1])

    @property
    def timing(self) -> Timing:
        if len(self.clean) >= min(self._options.least_slices, len(self.all)):
            return summarise(self.clean, self.calls)
        return replace(summarise(self.all, self.calls), disturbed=True)


def _undisturbed() -> int:
    return 0


def _silently(number: int) -> None:
    """Tell nobody."""


def time_kernel(
    repeat: Repeat,
    options: TimingOptions,
    incumbent: float | None = None,
    preemptions: Preemptions = _undisturbed,
) -> Timing:
    """Time a kernel, with an eye on the best `incumbent` seconds per call so far."""
    slices = _Slices(repeat, options, preemptions)
    if slices.estimate >= options.most_seconds:  # that one call was a slice already
        return summarise([slices.estimate], slices.calls)
    while True:
        slices.take()
        if len(slices.all) == 1 and incumbent is not None:
            samples = [slices.all[0], slices.estimate]
            if min(samples) > options.give_up_ratio * incumbent:
                return replace(summarise(samples, slices.calls), gave_up=True)
        if _enough(slices, options, incumbent):
            return slices.timing


def interleave(
    repeats: Sequence[Repeat],
    options: TimingOptions,
    preemptions: Preemptions = _undisturbed,
    *,
    announce: Callable[[int], None] = _silently,
) -> list[Timing]:
    """Time kernels side by side, one slice of each in turn, so that drift of the clock hits all alike.

    Every kernel gets at least `rounds` slices, and up to three times as many until so many were not
    preempted; where a call is so long that these would take more than 1.5 s, only as many as do, but five,
    for in the long run everything is preempted. `announce` is told whose turn it is, before the slice:
    whoever hears of it may take the processor, which counts for no slice.
    """
    series = []
    for turn, repeat in enumerate(repeats):
        announce(turn)
        series.append(_Slices(repeat, options, preemptions))
    longest = max((each.calls * each.estimate for each in series), default=_LONG)
    rounds = min(options.rounds, max(_LEAST_ROUNDS, ceil(_LONG / longest)))
    for number in range(3 * rounds):
        enough = all(len(each.clean) >= rounds for each in series)
        if number >= rounds and (enough or any(each.spent >= _LONG for each in series)):
            break
        for turn, slices in enumerate(series):
            announce(turn)
            slices.take()
    return [slices.timing for slices in series]


def _enough(slices: _Slices, options: TimingOptions, incumbent: float | None) -> bool:
    most = options.most_seconds / options.slice_seconds
    # slices that are over in no time would never add up to seconds
    if slices.spent >= options.most_seconds or len(slices.all) >= 4 * most + options.least_slices:
        return True
    if len(slices.clean) < options.least_slices:
        return False
    now = slices.timing
    close = incumbent is None or now.seconds <= options.close_ratio * incumbent
    floor = options.close_floor_seconds if close else options.floor_seconds
    return slices.spent >= floor and now.spread <= options.spread_goal


def checked(seconds: float) -> float:
    """`seconds` if a clock can say that. Raises TimingError."""
    if not isfinite(seconds) or seconds < 0:
        raise TimingError(f"the timing loop says {seconds} s")
    return seconds
