"""A job's outcome as one JSON document, which a later job can be held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from heron_cli.jobs.job import Job
from heron_cli.jobs.run import Outcome, exit_code
from heron_cli.records import current_versions
from heron_cli.session.documents import tuned

SCHEMA = "heron/job-summary/1"


def summary(job: Job, outcomes: Sequence[Outcome], started: str, seconds: float) -> dict[str, Any]:
    """The document; `started` is UTC, ISO 8601, `seconds` the wall clock of the whole job."""
    return {
        "schema": SCHEMA,
        "job": job.name,
        "started": started,
        "seconds": seconds,
        "budget": {"seconds": job.seconds, "trials": job.trials},
        "exit_code": exit_code(outcomes),
        "versions": current_versions(),
        "kernels": [_entry(outcome, job.threads) for outcome in outcomes],
    }


def _entry(outcome: Outcome, threads: int) -> dict[str, Any]:
    best, verdict = outcome.best, outcome.verdict
    measurement = best.trial.measurement if best else None
    return {
        **tuned(outcome.task, outcome.result),
        "workload": outcome.task.workload.key,
        "threads": threads,
        "seconds": measurement.seconds if measurement else None,
        "cycles": measurement.cycles if measurement else None,
        "versions": dict(best.versions) if best else {},
        "slices": outcome.slices,
        "seconds_of_job": outcome.seconds,
        "error": str(outcome.error) if outcome.error else None,
        "verdict": None
        if verdict is None
        else {"standing": str(verdict.standing), "speedup": verdict.speedup, "reason": verdict.reason},
    }
