"""One record: a trial with everything needed to trust it, find it again and repeat it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from ..trial import Measurement, Status, Trial


class Purpose(StrEnum):
    """Why a candidate was measured."""

    TRIAL = "trial"  # a step of a search
    RANKING = "ranking"  # again, side by side with its close rivals; all of one ranking share `created`


@dataclass(frozen=True, slots=True)
class Record:
    """A trial and its circumstances.

    `workload` is the workload's text id and `definition` its JSON form. `versions` maps a part of the
    toolchain (heron, tvm, ortools, lightgbm, python, cpu) to its version. `round` and `position` say where
    in the run's trajectory the candidate was proposed. `created` is UTC, ISO 8601. `id` is the row in one
    database and no part of the record's identity.
    """

    workload: str
    definition: Mapping[str, Any]
    operator: str
    target: str
    target_digest: str
    threads: int
    trial: Trial
    seed: int
    method: str
    versions: Mapping[str, str]
    created: str
    purpose: Purpose = Purpose.TRIAL
    round: int = 0
    position: int = 0
    id: int | None = field(default=None, compare=False)

    @property
    def cost(self) -> float | None:
        """What is minimised: see `cost_of`."""
        return cost_of(self.trial.measurement)

    def to_json(self) -> dict[str, Any]:
        """The record as one JSON object, with the key names of `heron records list --json`."""
        candidate, measurement = self.trial.candidate, self.trial.measurement
        return {
            "workload": self.workload,
            "operator": self.operator,
            "definition": dict(self.definition),
            "target": self.target,
            "target_digest": self.target_digest,
            "threads": self.threads,
            "purpose": str(self.purpose),
            "variant": candidate.variant,
            "assignment": candidate.values,
            "status": str(measurement.status),
            "seconds": measurement.seconds,
            "spread": measurement.spread,
            "cycles": measurement.cycles,
            "verified": measurement.verified,
            "reason": measurement.reason,
            "build_seconds": measurement.build_seconds,
            "run_seconds": measurement.run_seconds,
            "program": measurement.program,
            "metrics": dict(measurement.metrics),
            "method": self.method,
            "seed": self.seed,
            "round": self.round,
            "position": self.position,
            "versions": dict(self.versions),
            "created": self.created,
        }

    @property
    def digest(self) -> str:
        """sha-256 of the content: equal records of two databases are the same record."""
        return hashlib.sha256(canonical_json(self.to_json()).encode()).hexdigest()


def cost_of(measurement: Measurement) -> float | None:
    """Seconds of one call, or cycles where a runner knows only those; None unless the trial was valid."""
    if measurement.status is not Status.OK:
        return None
    return measurement.seconds if measurement.seconds is not None else measurement.cycles


def canonical_json(value: Any) -> str:
    """The one text form of a JSON value: sorted keys, no blanks, no NaN (ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def after(moment: str, last: str) -> str:
    """`moment`, or a microsecond after `last` where the clock was set back ("" is before everything)."""
    if moment > last:
        return moment
    return (datetime.fromisoformat(last) + timedelta(microseconds=1)).isoformat(timespec="microseconds")


def utc_now() -> str:
    """The present moment as records write it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
