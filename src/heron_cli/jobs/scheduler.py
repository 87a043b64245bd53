"""Which workload gets the next slice of a job's time: the one that promises most per second.

The promise is that of Ansor's task scheduler (Zheng et al., OSDI 2020, section 6), per trial:

    a · (what the last slices brought) + (1 - a) · (cost now / trials so far)

the second term being what is left if the next t trials were to bring as much as the first t, bounded by the
known lower bound of the cost. It is weighed with how often the workload occurs, taken relative to the total
of its accelerator (cycles and seconds do not add up), and divided by the seconds that a trial takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

# Ansor takes 0.2; searches here begin near an analytic optimum, so a cost that stands is likely near its end
_BACKWARD = 0.8
_WINDOW = 3  # slices
_PATIENCE = 64  # trials without a valid kernel, after which a workload has to wait


@dataclass(slots=True)
class Progress:
    """What a workload has had and what it has brought.

    `points` holds (trials so far, best cost or None) from the beginning and after each slice; `seconds` is
    what the slices of this process took, `bound` a cost that no kernel beats.
    """

    group: str
    weight: float
    bound: float = 0.0
    points: list[tuple[int, float | None]] = field(default_factory=list)
    seconds: float = 0.0
    done: bool = False

    def add(self, trials: int, cost: float | None, seconds: float = 0.0) -> None:
        """Note where it stands, and how long the slice took."""
        self.points.append((trials, cost))
        self.seconds += seconds

    @property
    def cost(self) -> float | None:
        """The best cost so far."""
        return self.points[-1][1] if self.points else None

    @property
    def seconds_per_trial(self) -> float | None:
        """As measured in this process; None before its first slice."""
        count = self.points[-1][0] - self.points[0][0] if self.points else 0
        return self.seconds / count if count > 0 else None

    def promise(self) -> float:
        """The expected decrease of the cost by the next trial."""
        trials, cost = self.points[-1]
        if cost is None:
            return 0.0
        before, old = self.points[max(0, len(self.points) - 1 - _WINDOW)]
        left = max(0.0, cost - self.bound) / max(1, trials)
        if old is None or trials == before:
            return left
        return _BACKWARD * (old - cost) / (trials - before) + (1 - _BACKWARD) * left


def choose(workloads: Sequence[Progress]) -> int | None:
    """The index of the workload that gets the next slice; None when all are done.

    Each gets one slice first, in the given order. One without any valid kernel goes before those that have
    one, for `_PATIENCE` trials, and behind them after that.
    """
    open_ = [index for index, each in enumerate(workloads) if not each.done]
    fresh = [index for index in open_ if workloads[index].seconds_per_trial is None]
    if fresh:
        return fresh[0]
    empty = [index for index in open_ if workloads[index].cost is None]
    starving = [index for index in empty if workloads[index].points[-1][0] < _PATIENCE]
    if starving:
        return starving[0]
    totals: dict[str, float] = {}
    for each in workloads:
        if each.cost is not None:
            totals[each.group] = totals.get(each.group, 0.0) + each.weight * each.cost

    def pays(index: int) -> float:
        each = workloads[index]
        if each.cost is None:
            return -1.0
        share = each.weight * each.promise() / totals[each.group]
        return share / max(each.seconds_per_trial or 0.0, 1e-9)

    return max(open_, key=pays, default=None)
