"""A fixed piece of work beside what is timed: when it takes longer than it can, something else is going on.

It finds what preemptions do not show: a busy sibling thread, a lowered clock, another tenant's cache traffic.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from heron_cli.measure.timing import Timing

LIMIT = 1.15  # times the best pace; what is beyond counts as interference
_ROUNDS = 3
_ELEMENTS = 16_384  # 128 KiB: within a core's own cache
_CALLS = 8


class Yardstick:
    """Times the work; `work` and `clock` (seconds) are for tests."""

    def __init__(
        self, work: Callable[[], object] | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._work, self._clock = work or _work(), clock
        self._best = float("inf")

    def take(self) -> float:
        """How many times as long as at best the work takes now: 1 is undisturbed.

        The shortest of three rounds of some 50 µs counts, so that a single interrupt does not matter.
        """
        seconds = min(self._round() for _ in range(_ROUNDS))
        self._best = min(self._best, seconds)
        return seconds / self._best if self._best > 0 else 1.0

    def _round(self) -> float:
        began = self._clock()
        self._work()
        return self._clock() - began


def watched(measure: Callable[[], Timing], yardstick: Yardstick, tries: int = 2) -> Timing:
    """A timing between two looks at the yardstick, again if it was disturbed; the steadier one counts.

    `Timing.pace` says what the yardstick showed.
    """
    kept: Timing | None = None
    for _ in range(tries):
        before = yardstick.take()
        timing = measure()
        timing = replace(timing, pace=max(before, yardstick.take()))
        if kept is None or (timing.disturbed, timing.pace) < (kept.disturbed, kept.pace):
            kept = timing
        if not interfered(kept):
            break
    assert kept is not None
    return kept


def interfered(timing: Timing) -> bool:
    """Whether something else used the processor while this was timed."""
    return timing.disturbed or timing.pace > LIMIT


def _work() -> Callable[[], object]:
    one = np.arange(_ELEMENTS, dtype=np.int64)
    other = one[::-1].copy()
    into = np.empty_like(one)

    def work() -> None:
        for _ in range(_CALLS):
            np.multiply(one, other, out=into)

    return work
