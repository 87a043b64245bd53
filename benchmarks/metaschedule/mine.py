"""heron's side: the same workload, trials and cores, by `session.tune`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.metaschedule.machines import Machine
from benchmarks.metaschedule.outcome import Side
from benchmarks.metaschedule.tuning import Plan, count
from heron_cli.operators.workload import Workload

if TYPE_CHECKING:
    from heron_cli.records import Record, Store
    from heron_cli.schedule.task import Task


def tune(workload: Workload, machine: Machine, db: Path, plan: Plan) -> None:
    """Bring the workload to so many trials; what the store holds counts. Raises HeronError."""
    from heron_cli import session
    from heron_cli.records import Store

    left = plan.until - time.monotonic()
    if left <= 0:
        return
    task = _task(workload, machine, plan.threads)
    settings = session.Settings(
        trials=plan.trials,
        seconds=left,
        seed=plan.seed,
        threads=plan.threads,
        jobs=len(plan.cores),
        transfer=False,
    )
    with Store.open(db) as store:
        session.tune(task, store, settings)


def side(workload: Workload, machine: Machine, db: Path, threads: int, wall: float) -> Side:
    """What the store holds of it; `wall`: seconds that tuning it took."""
    from heron_cli.records import Purpose, Store, best_of

    if not db.exists():
        return Side(wall=wall)
    with Store.open(db, read_only=True) as store:
        records = _records(store, _task(workload, machine, threads))
    found, best = Side(wall=wall), best_of(records)
    for record in records:
        if record.purpose is not Purpose.TRIAL:
            continue
        found.trials += 1
        measurement = record.trial.measurement
        if measurement.status.value != "ok":
            count(found.failed, measurement.status.value)
            count(found.reasons, f"{measurement.status.value}: {measurement.reason}"[:160])
    found.best = None if best is None else best.cost
    return found


def best_kernel(workload: Workload, machine: Machine, db: Path, threads: int) -> tuple[Any, Any]:
    """The back end and the best kernel of the store, built again. Raises LookupError when it has none."""
    from heron_cli.backends import registry
    from heron_cli.records import Store, best_of

    task = _task(workload, machine, threads)
    with Store.open(db, read_only=True) as store:
        best = best_of(_records(store, task))
    if best is None:
        raise LookupError("heron has no kernel")
    backend = registry.get(task.accelerator.backend)
    return backend, backend.build(task, best.trial.candidate, threads=threads)


def _task(workload: Workload, machine: Machine, threads: int) -> Task:
    from heron_cli import session
    from heron_cli.accelerator.loader import load

    return session.make_task(workload, load(machine.accelerator), threads)


def _records(store: Store, task: Task) -> list[Record]:
    from heron_cli.session.remote import versions_here

    digest = task.accelerator.digest
    here = versions_here(task.accelerator)  # another machine's choice may be a bad one here
    return list(store.trials(task.workload.key, digest, task.threads, here, purpose=None))
