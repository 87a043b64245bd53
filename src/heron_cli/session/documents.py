"""What came of tuning, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .workloads import definition

if TYPE_CHECKING:
    from heron_cli.records import Record
    from heron_cli.schedule.task import Task
    from heron_cli.search.result import TuneResult

    from .built import BuiltKernel


def tuned(task: Task, result: TuneResult | None) -> dict[str, Any]:
    """One entry of the document of `tune --json`; `result` is None where tuning came to nothing."""
    from heron_cli.search.spent import PHASES

    bound = result.bound if result else None
    return {
        "name": task.workload.name,
        "operator": task.workload.operator,
        "shape": definition(task.workload)["shape"],
        "target": task.accelerator.name,
        "trials": result.trials if result else 0,
        "valid": result.valid if result else 0,
        "invalid": result.invalid if result else 0,
        "lower_bound": bound.cost if bound else None,
        "bound_by": bound.by if bound else None,
        "best": best(result.best) if result and result.best else None,
        "seconds_spent": dict(result.seconds_spent) if result else dict.fromkeys(PHASES, 0.0),
    }


def built(kernel: BuiltKernel) -> dict[str, Any]:
    """A kernel that was built and not run."""
    return {
        "variant": kernel.candidate.variant,
        "assignment": kernel.candidate.values,
        "estimated_cycles": kernel.estimate,
        "metrics": dict(kernel.metrics),
        "instructions": None if kernel.instructions is None else dict(kernel.instructions),
    }


def best(record: Record) -> dict[str, Any]:
    """The winner: its time, its assignment and where it is recorded."""
    candidate, measurement = record.trial.candidate, record.trial.measurement
    if measurement.seconds is not None:
        time: dict[str, float | int | None] = {"seconds": measurement.seconds}
    else:
        time = {"cycles": measurement.cycles}
    return {
        **time,
        "variant": candidate.variant,
        "assignment": candidate.values,
        "verified": measurement.verified,
        "record": record.id,
    }
