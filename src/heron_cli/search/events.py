"""What a run reports while it goes on; the command line turns it into progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..records import Record
from .result import TuneResult


@dataclass(frozen=True, slots=True)
class Resumed:
    """Trials of earlier runs were found: `own` of this very run, `others` that only inform the search.

    `unfit` more are left out: the present spaces do not contain them.
    """

    own: int
    others: int
    unfit: int
    best: Record | None


@dataclass(frozen=True, slots=True)
class WarmedUp:
    """A model of `trials` trials of other workloads is known before the first trial of this one."""

    trials: int
    workloads: int


@dataclass(frozen=True, slots=True)
class RoundStarted:
    """`count` new candidates are about to be measured; `trials` were before."""

    round: int
    count: int
    trials: int


@dataclass(frozen=True, slots=True)
class TrialDone:
    """One trial is measured and stored; `number` counts the run's trials from 1."""

    number: int
    record: Record


@dataclass(frozen=True, slots=True)
class NewBest:
    """A verified trial beat everything before it."""

    record: Record


@dataclass(frozen=True, slots=True)
class RoundDone:
    """A round is complete; `best` is the fastest verified trial so far."""

    round: int
    trials: int
    valid: int
    best: Record | None


@dataclass(frozen=True, slots=True)
class RankingStarted:
    """The best few are about to be measured again, side by side."""

    rivals: Sequence[Record]


@dataclass(frozen=True, slots=True)
class RankingDone:
    """They were; in the order of `RankingStarted.rivals`."""

    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over; sent before NoValidTrialError as well."""

    result: TuneResult


Event = (
    Resumed
    | WarmedUp
    | RoundStarted
    | TrialDone
    | NewBest
    | RoundDone
    | RankingStarted
    | RankingDone
    | Finished
)
OnEvent = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Take no notice."""
