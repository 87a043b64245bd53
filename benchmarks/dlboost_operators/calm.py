"""Waiting for a moment in which the host's other tenants leave the cores alone.

Only the peak of the cores in registers decides that, never a time of what is compared. On both cores of a
guest of an AMD EPYC host, the median of a comparison's peaks reached 0.935 of the most in two of three
comparisons of a quiet night, when kernels on two threads had 0.90 of their limit in the geometric mean;
beside a neighbour in one or two of ten, when they had 0.82 to 0.86.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

SHARE = 0.935  # of the most, that the median has to reach
_SAMPLES = 20
_PAUSE = 0.5  # seconds between two looks, in which whatever disturbs may go


class Calm:
    """Compares peaks, in operations per second, with the `most` that was ever seen of the cores."""

    def __init__(self, most: float = 0.0) -> None:
        self.most = most

    def holds(self, peaks: Sequence[float]) -> bool:
        """Whether these are of a calm moment. The most that was seen may become more by them."""
        self.most = max(self.most, *peaks)
        return median(peaks) >= SHARE * self.most

    def wait(
        self, peak: Callable[[], float], until: float, clock: Callable[[], float] = time.monotonic
    ) -> bool:
        """Measure peaks until they are of a calm moment; False when the `clock` says `until` before."""
        while not self.holds([peak() for _ in range(_SAMPLES)]):
            if clock() >= until:
                return False
            time.sleep(_PAUSE)
        return True
