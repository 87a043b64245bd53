"""Records for the tests, one call each."""

from __future__ import annotations

from typing import Any

from heron_cli.records import Purpose, Record
from heron_cli.trial import Candidate, Measurement, Status, Trial

VERSIONS = {"heron": "1", "tvm": "2", "ortools": "3", "lightgbm": "4", "python": "5", "cpu": "six"}


def moment(second: int) -> str:
    return f"2026-11-23T10:{second // 60:02}:{second % 60:02}.000000+00:00"


def record(knob: int = 1, seconds: float | None = 1e-3, at: int = 0, **changes: Any) -> Record:
    """A verified trial of `knob` that took `seconds`, or a failed build when `seconds` is None."""
    if seconds is None:
        measurement = Measurement(Status.BUILD_ERROR, reason="no such instruction")
    else:
        measurement = Measurement(
            Status.OK,
            seconds,
            0.01,
            verified=changes.pop("verified", True),
            program=f"p{knob}",
            metrics={"spills": 0.0},
        )
    values: dict[str, Any] = {
        "workload": "gemm m=4",
        "definition": {"operator": "gemm", "shape": {"m": 4}},
        "operator": "gemm",
        "target": "toy",
        "target_digest": "d1",
        "threads": 1,
        "trial": Trial(Candidate.of("plain", {"tile": knob, "unroll": 2}), measurement),
        "seed": 0,
        "method": "cga",
        "versions": VERSIONS,
        "created": moment(at),
    }
    return Record(**(values | changes))


def ranking(*pairs: tuple[int, float | None], at: int) -> list[Record]:
    return [record(knob, seconds, at, purpose=Purpose.RANKING) for knob, seconds in pairs]
