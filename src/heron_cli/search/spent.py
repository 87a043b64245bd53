"""Where the seconds of a run go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PHASES = ("solve", "build", "measure", "model")


class Spent:
    """Seconds by phase. Builds run side by side, so `build` may exceed the time that passed on the wall."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start at zero; `clock` tells seconds."""
        self._clock = clock
        self._seconds = dict.fromkeys(PHASES, 0.0)

    def add(self, phase: str, seconds: float) -> None:
        """Account seconds to a phase; KeyError if there is no such phase."""
        self._seconds[phase] += seconds

    @contextmanager
    def on(self, phase: str) -> Iterator[None]:
        """Account the time of the block to a phase."""
        started = self._clock()
        try:
            yield
        finally:
            self.add(phase, self._clock() - started)

    def seconds(self) -> dict[str, float]:
        """The seconds of each phase so far."""
        return dict(self._seconds)
