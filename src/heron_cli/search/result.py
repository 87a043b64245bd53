"""How long a run may take, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..records import Record
from ..trial import Status
from .bound import Bound

_REASONS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Budget:
    """When a search ends: after so many trials of this run, the resumed ones included, or so many seconds.

    `seconds` of wall time count from the start of this process's part; the trial under way and the final
    ranking are finished beyond it. None means no limit; one must be given. `gap` ends it earlier, after the
    round in which the best came within this share of the problem's bound (0.05: 5 % above it).
    """

    trials: int | None = None
    seconds: float | None = None
    gap: float | None = None

    def __post_init__(self) -> None:
        if self.trials is None and self.seconds is None:
            raise ValueError("a budget needs a number of trials or of seconds")


class Stopped(StrEnum):
    """Why a run ended."""

    TRIALS = "trials"  # the budget of trials is spent
    TIME = "time"  # the budget of seconds is spent
    EXHAUSTED = "exhausted"  # every candidate of the space was tried
    GAP = "gap"  # the best is as close to the lower bound as was asked for
    DEVICE_LOST = "device-lost"  # a whole round came back without having been measured


@dataclass(frozen=True, slots=True)
class TuneResult:
    """What came of tuning one workload.

    `best` is the winner among everything comparable that the store holds, as last measured; `records` are
    this run's trials in the order of their proposal, `resumed` of them measured by earlier processes.
    """

    key: str
    target: str
    best: Record | None
    records: Sequence[Record]
    resumed: int
    stopped: Stopped
    seconds_spent: Mapping[str, float]
    bound: Bound | None = None

    @property
    def over_bound(self) -> float | None:
        """The best cost as a multiple of the bound; None without either."""
        if self.best is None or self.best.cost is None or self.bound is None or self.bound.cost <= 0:
            return None
        return self.best.cost / self.bound.cost

    @property
    def trials(self) -> int:
        """How many candidates this run tried."""
        return len(self.records)

    @property
    def valid(self) -> int:
        """How many of them are ok."""
        return sum(record.trial.measurement.status is Status.OK for record in self.records)

    @property
    def invalid(self) -> int:
        """How many failed."""
        return self.trials - self.valid


def describe_failures(records: Sequence[Record]) -> str:
    """The reasons for which trials came to nothing, with counts, the most frequent first; one line."""
    reasons = Counter(_reason(record) for record in records)
    parts = [f"{count} × {reason}" for reason, count in reasons.most_common(_REASONS_SHOWN)]
    rest = sum(reasons.values()) - sum(count for _, count in reasons.most_common(_REASONS_SHOWN))
    return "; ".join(parts + ([f"{rest} × other reasons"] if rest else []))


def _reason(record: Record) -> str:
    measurement = record.trial.measurement
    if measurement.status is Status.OK:
        return "built, but not run" if record.cost is None else "ran, but its result was not verified"
    reason = " ".join(measurement.reason.split())
    return f"{measurement.status}: {reason}" if reason else str(measurement.status)
