"""A kernel of the same workload, timed in turns with another where something disturbs the processor.

What slows a kernel down for a while (a busy sibling thread, a lowered clock, another tenant) slows another
one of the same workload about as much, the more so the more alike they are: the companion is the fastest that
was timed in a good moment. So their ratio holds, and by how much the companion is slower than in a good
moment says by how much the other one is. Medians count on both sides: beside its single fastest slice, or the
fastest of many medians, a kernel always looks slowed down, and too much would be made up for. Only where
there was no good moment yet, the shortest slices of a bad one have to do.

The worse the moment, the less alike two kernels suffer: of 2,158 times that were made up for on a shared
host, those at a pace of up to 1.6 were 5 % below the kernels' undisturbed ones in the median, at every pace,
and those above it 13 to 40 %. So no more than that is made up for.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from heron_cli.measure.timing import Preemptions, Repeat, Timing, TimingOptions, interleave

MOST = 1.6  # the most that is made up for
_LEAST_ROUNDS = 3
USUAL = 1.1  # times as long as in a good moment: so long a median may be in one
_SETTLING = 7  # slices whose median is the companion's time from then on


class Companion:
    """`repeat` runs the kernel; `timing` is how long it took, `disturbed` whether in a bad moment."""

    def __init__(self, repeat: Repeat, timing: Timing, *, disturbed: bool) -> None:
        self._repeat, self._disturbed = repeat, disturbed
        self._good = [timing.seconds]  # medians of what may have been good moments
        self.best = min(timing.seconds, timing.least) if disturbed else timing.seconds
        """Seconds of a call in a good moment; until there was one, of the shortest slices that agree."""

    def beside(
        self, repeat: Repeat, seconds: float, options: TimingOptions, *preemptions: Preemptions
    ) -> Timing:
        """Time a kernel, a call of which takes about `seconds`, in turns with this one.

        The seconds found are those of an undisturbed moment, or more where the pace is above `MOST`;
        `Timing.pace` is how many times as long as in one this one took.
        """
        slice_ = max(options.slice_seconds, seconds, self.best)
        rounds = max(_LEAST_ROUNDS, min(options.rounds, round(options.most_seconds / slice_)))
        other, mine = interleave([self._repeat, repeat], replace(options, rounds=rounds), *preemptions)
        self._learn(other)
        pace = other.seconds / self.best
        return replace(mine, seconds=mine.seconds / min(pace, MOST), pace=pace, corrected=True)

    def settle(self, options: TimingOptions, *preemptions: Preemptions) -> None:
        """Time this one in an undisturbed moment, unless it was before."""
        if self._disturbed:
            (timing,) = interleave([self._repeat], replace(options, rounds=_SETTLING), *preemptions)
            self._learn(timing)
            if timing.seconds <= USUAL * self.best:
                self.best, self._good, self._disturbed = timing.seconds, [timing.seconds], False

    def _learn(self, timing: Timing) -> None:
        """What another timing of this one says of its time in a good moment."""
        if timing.least * USUAL < self.best:  # so it was none, whatever the yardstick said
            self._disturbed = True
        if self._disturbed:
            self.best = min(self.best, timing.least)
            return
        self._good.append(timing.seconds)
        self._good = [each for each in self._good if each <= USUAL * min(self._good)]
        self.best = median(self._good)
