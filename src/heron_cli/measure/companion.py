"""A kernel of the same workload, timed in turns with another where something disturbs the processor.

What slows a kernel down for a while (a busy sibling thread, a lowered clock, another tenant) slows another
one of the same workload about as much. So their ratio holds, and by how much the companion is slower than at
best says by how much the other one is.
"""

from __future__ import annotations

from dataclasses import replace

from heron_cli.measure.timing import Preemptions, Repeat, Timing, TimingOptions, interleave

_LEAST_ROUNDS = 3


class Companion:
    """`repeat` runs the kernel; `timing` is how long it took, `disturbed` whether in a bad moment."""

    def __init__(self, repeat: Repeat, timing: Timing, *, disturbed: bool) -> None:
        self._repeat, self._disturbed = repeat, disturbed
        self.best = min(timing.seconds, timing.fastest)
        """Seconds of a call in the fastest slice so far: some slices of a bad moment are not disturbed."""

    def beside(
        self, repeat: Repeat, seconds: float, options: TimingOptions, *preemptions: Preemptions
    ) -> Timing:
        """Time a kernel, a call of which takes about `seconds`, in turns with this one.

        The seconds found are those of an undisturbed moment; `Timing.pace` is how many times as long as at
        best this one took.
        """
        slice_ = max(options.slice_seconds, seconds, self.best)
        rounds = max(_LEAST_ROUNDS, min(options.rounds, round(options.most_seconds / slice_)))
        other, mine = interleave([self._repeat, repeat], replace(options, rounds=rounds), *preemptions)
        self.best = min(self.best, other.fastest)
        pace = other.seconds / self.best
        return replace(mine, seconds=mine.seconds / pace, pace=pace, corrected=True)

    def settle(self, options: TimingOptions, *preemptions: Preemptions) -> None:
        """Time this one in an undisturbed moment, unless it was before."""
        if self._disturbed:
            (timing,) = interleave([self._repeat], replace(options, rounds=_LEAST_ROUNDS), *preemptions)
            self.best, self._disturbed = min(self.best, timing.fastest), False
