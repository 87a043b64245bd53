"""A kernel of the same workload, timed in turns with another where something disturbs the processor.

What slows a kernel down for a while (a busy sibling thread, a lowered clock, another tenant) slows another
one of the same workload about as much, the more so the more alike they are: the companion is the fastest that
was timed in a good moment. So their ratio holds, and by how much the companion is slower than in a good
moment says by how much the other one is. Medians count on both sides: beside its single fastest slice a
kernel always looks slowed down, and too much would be made up for. Only where there was no good moment
yet, the shortest slices of a bad one have to do.
"""

from __future__ import annotations

from dataclasses import replace

from heron_cli.measure.timing import Preemptions, Repeat, Timing, TimingOptions, interleave

_LEAST_ROUNDS = 3
_USUAL = 1.1  # times the shortest slices that agree: so long a median may be in a good moment
_SETTLING = 7  # slices whose median is the companion's time from then on


class Companion:
    """`repeat` runs the kernel; `timing` is how long it took, `disturbed` whether in a bad moment."""

    def __init__(self, repeat: Repeat, timing: Timing, *, disturbed: bool) -> None:
        self._repeat, self._disturbed = repeat, disturbed
        self.best = min(timing.seconds, timing.least) if disturbed else timing.seconds
        """Seconds of a call in a good moment; until there was one, of the shortest slices that agree."""

    def beside(
        self, repeat: Repeat, seconds: float, options: TimingOptions, *preemptions: Preemptions
    ) -> Timing:
        """Time a kernel, a call of which takes about `seconds`, in turns with this one.

        The seconds found are those of an undisturbed moment; `Timing.pace` is how many times as long as in
        one this one took.
        """
        slice_ = max(options.slice_seconds, seconds, self.best)
        rounds = max(_LEAST_ROUNDS, min(options.rounds, round(options.most_seconds / slice_)))
        other, mine = interleave([self._repeat, repeat], replace(options, rounds=rounds), *preemptions)
        self._learn(other)
        pace = other.seconds / self.best
        return replace(mine, seconds=mine.seconds / pace, pace=pace, corrected=True)

    def settle(self, options: TimingOptions, *preemptions: Preemptions) -> None:
        """Time this one in an undisturbed moment, unless it was before."""
        if self._disturbed:
            (timing,) = interleave([self._repeat], replace(options, rounds=_SETTLING), *preemptions)
            self._learn(timing)
            if timing.seconds <= _USUAL * self.best:
                self.best, self._disturbed = timing.seconds, False

    def _learn(self, timing: Timing) -> None:
        """What another timing of this one says of its time in a good moment."""
        if timing.least * _USUAL < self.best:  # so it was none, whatever the yardstick said
            self._disturbed = True
        self.best = min(self.best, timing.least if self._disturbed else timing.seconds)
