"""What is kept of a workload: a JSON file of its own, so that several processes may share a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Side:
    """A tuner's trials: what failed, by stage and by reason; seconds of wall clock and of the best call."""

    trials: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    wall: float = 0.0
    best: float | None = None

    @property
    def share(self) -> float:
        """Of the trials, those that failed."""
        return sum(self.failed.values()) / self.trials if self.trials else 0.0


@dataclass(slots=True)
class Outcome:
    """Both sides, what MetaSchedule refused before its trials, and the comparison side by side.

    `drawn` and `bred`: candidates that passed, and refusals by postprocessor. `times`: seconds per call of
    "heron" and of MetaSchedule's fastest, "1" first, measured in turns; only of those whose results were
    right. `wrong`: what was wrong with the others. `failure`: why there is no comparison. `how` and
    `machine`: how and on what they were timed.
    """

    name: str
    planned: int
    peer: Side = field(default_factory=Side)
    heron: Side = field(default_factory=Side)
    drawn: tuple[int, dict[str, int]] = (0, {})
    bred: tuple[int, dict[str, int]] = (0, {})
    times: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    failure: str = ""
    how: str = ""
    machine: str = ""

    @property
    def ratio(self) -> float | None:
        """MetaSchedule's time over heron's; None where one of them is missing."""
        theirs = [seconds for name, seconds in self.times.items() if name != "heron"]
        return min(theirs) / self.times["heron"] if theirs and "heron" in self.times else None

    @property
    def complete(self) -> bool:
        """Whether both had the planned trials."""
        return self.peer.trials >= self.planned and self.heron.trials >= self.planned


def write(folder: Path, outcome: Outcome) -> None:
    """Replace the workload's file."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / "outcome.new"
    fresh.write_text(json.dumps(asdict(outcome), indent=1, ensure_ascii=False) + "\n")
    fresh.replace(folder / "outcome.json")


def read(folder: Path) -> Outcome | None:
    """What is kept in a workload's folder."""
    path = folder / "outcome.json"
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text())
    for side in ("peer", "heron"):
        found[side] = Side(**found[side])
    for stage in ("drawn", "bred"):
        found[stage] = (found[stage][0], found[stage][1])
    return Outcome(**found)


def read_all(work: Path, names: Sequence[str]) -> list[Outcome]:
    """Those of the workloads that are there, in this order."""
    found = (read(work / name) for name in names)
    return [each for each in found if each is not None]


def refused(stage: tuple[int, Mapping[str, int]]) -> float | None:
    """Refused of all that were made; None where none were."""
    passed, by = stage
    total = passed + sum(by.values())
    return sum(by.values()) / total if total else None
