"""Times kernels as well as the machine at hand lets it: between looks at its pace, and beside one another.

On a device nothing of this is needed: its kernels are timed by its own clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from heron_cli.measure import system
from heron_cli.measure.companion import MOST, USUAL, Companion
from heron_cli.measure.timing import Repeat, Timing, TimingOptions, interleave, time_kernel
from heron_cli.measure.yardstick import Yardstick, interfered, watched
from heron_cli.trial import DISTURBED

_FEW = 7  # rounds that tell whether a kernel that seemed slow is slow
_TRIES = 3  # of a timing beside the companion, for a moment in which all of what slows it can be made up for


class Stopwatch:
    """`options.host` says whether the host's processor is what is timed."""

    def __init__(self, options: TimingOptions) -> None:
        self.options = options
        self.yardstick = Yardstick()
        self.companion: Companion | None = None
        """A kernel of the workload that came out right; its calls overwrite the output."""
        self._watch = (system.preemptions,) if options.host else ()

    def time(self, repeat: Repeat, incumbent: float | None, phase: Callable[[str], None]) -> Timing:
        """Time a kernel, beside the companion where it is disturbed. `phase` is told what begins."""

        def once() -> Timing:
            phase("the timing")
            return time_kernel(repeat, self.options, incumbent, *self._watch)

        if not self.options.host:
            return once()
        companion = self.companion
        timing = watched(once, self.yardstick, tries=2 if companion is None else 1)
        if companion is None or not interfered(timing):
            return timing
        phase("the timing beside another kernel")
        if timing.gave_up and incumbent is not None:  # it may only seem to be slow
            few = replace(self.options, rounds=_FEW)
            found = companion.beside(repeat, timing.seconds, few, *self._watch)
            if found.seconds * min(1.0, MOST / found.pace) > self.options.give_up_ratio * incumbent:
                return found
        found = companion.beside(repeat, timing.seconds, self.options, *self._watch)
        for _ in range(_TRIES - 1):
            if found.pace <= MOST:
                break
            phase("the timing beside another kernel")  # each try has its own deadline
            again = companion.beside(repeat, timing.seconds, self.options, *self._watch)
            found = min(found, again, key=lambda each: each.pace)
        return found

    def keep(self, repeat: Repeat, timing: Timing) -> bool:
        """Whether a kernel that was timed, and is right, is the companion from now on.

        The first one is, and later the fastest of those that nothing disturbed.
        """
        if not self.options.host or timing.gave_up or timing.corrected:
            return False
        disturbed = interfered(timing)
        if self.companion is not None and (disturbed or timing.seconds >= self.companion.best):
            return False
        self.companion = Companion(repeat, timing, disturbed=disturbed)
        return True

    def settle(self, timing: Timing) -> None:
        """After a timing in a good moment: time the companion, too, if that was not done in one before."""
        if self.companion is not None and not timing.gave_up and not interfered(timing):
            self.companion.settle(self.options, *self._watch)

    def compare(self, repeats: Sequence[Repeat], announce: Callable[[int], None]) -> list[Timing]:
        """Time kernels side by side; `announce` is told whose turn it is."""
        before = self.yardstick.take() if self.options.host else 1.0
        timings = interleave(repeats, self.options, *self._watch, announce=announce)
        pace = max(before, self.yardstick.take()) if self.options.host else 1.0
        return [replace(timing, pace=pace) for timing in timings]

    def remark(self, timing: Timing) -> str:
        """What to say of a timing; empty where there is nothing."""
        if timing.gave_up:
            return f"timing cut short: over {self.options.give_up_ratio:g} times the best"
        if timing.corrected and timing.pace <= USUAL:
            return ""  # whatever it was hardly slowed the other kernel, and that is made up for
        if timing.corrected:
            slower = f"another kernel took {timing.pace:.2f} times as long as usual beside it"
            made_up = "which is made up for" if timing.pace <= MOST else f"of which {MOST:g} is made up for"
            return f"{DISTURBED}: {slower}, {made_up}"
        if timing.disturbed:
            return f"{DISTURBED}: other processes took the processor away"
        if interfered(timing):
            return f"{DISTURBED}: a fixed piece of work took {timing.pace:.2f} times as long as at best"
        return ""
