"""Tuning workloads one after the other: what is shown, what the JSON says, and how it ends."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from heron_cli import session
from heron_cli.errors import HeronError, NoValidTrialError, SpaceEmptyError
from heron_cli.records import Store
from heron_cli.search.events import Event, Finished
from heron_cli.session import RunnerKind, Settings
from heron_cli.session.documents import tuned

from . import output
from .application import INTERRUPTED, complain
from .progress import cost, reporter

if TYPE_CHECKING:
    from heron_cli.schedule.task import Task
    from heron_cli.search.result import TuneResult

_NAME_WIDTH = 40  # longer names are not repeated on every line


def tune_all(tasks: Sequence[Task], settings: Settings, db: Path, *, as_json: bool) -> None:
    """Tune every task; one that comes to nothing does not stop the others, but decides the exit code."""
    results: list[tuple[Task, TuneResult | None]] = []
    failures: list[HeronError] = []
    with _store(settings, db) as store:
        for task in tasks:
            finished: list[TuneResult] = []
            try:
                _tune(task, store, settings, finished)
            except KeyboardInterrupt:
                _interrupted(settings, db)
            except (NoValidTrialError, SpaceEmptyError) as error:
                failures.append(error)
            results.append((task, finished[0] if finished else None))
            if finished and not as_json:
                click.echo(line(task, finished[0]))
    if as_json:
        output.document(document(results))
    for failure in failures:
        complain(str(failure))
    if failures:
        raise click.exceptions.Exit(failures[0].exit_code)


def document(results: Sequence[tuple[Task, TuneResult | None]]) -> dict[str, Any]:
    """The document of `tune --json`; a single workload's keys stand at the top as well."""
    workloads = [tuned(task, result) for task, result in results]
    return {"workloads": workloads, **(workloads[0] if len(workloads) == 1 else {})}


def _store(settings: Settings, db: Path) -> Store:
    """The database; replays only read it, and mere builds have no use for it."""
    if settings.runner is RunnerKind.BUILD_ONLY:
        return Store.in_memory()
    return Store.open(db, read_only=settings.runner is RunnerKind.REPLAY)


def _tune(task: Task, store: Store, settings: Settings, finished: list[TuneResult]) -> None:
    """Tune one task; its result arrives in `finished` even where it comes to nothing."""
    name = task.workload.name if len(task.workload.name) <= _NAME_WIDTH else task.workload.operator
    with reporter(name, settings.trials, live=sys.stderr.isatty()) as report:

        def on_event(event: Event) -> None:
            keep_interruptible()
            if isinstance(event, Finished):
                finished.append(event.result)
            report(event)

        session.tune(task, store, settings, on_event)


def keep_interruptible() -> None:
    """Put Python's handler of Ctrl-C back: a solve of CP-SAT leaves the system's, which ends the process."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))


def _interrupted(settings: Settings, db: Path) -> NoReturn:
    if settings.measures:
        complain(f"interrupted; what was measured is kept in {db}; the same command goes on from there")
    else:
        complain("interrupted")
    raise click.exceptions.Exit(INTERRUPTED)


def line(task: Task, result: TuneResult) -> str:
    """What came of it, in one line."""
    tried = f"{result.trials} trials, {result.invalid} invalid"
    if result.best is None:
        return f"{task.workload.name}: {tried}; {'nothing was run' if result.valid else 'no valid kernel'}"
    seconds = result.best.trial.measurement.seconds
    rate = ""
    if seconds:
        from heron_cli.operators import registry

        flops = registry.get(task.workload.operator).flops(task.workload)
        rate = f", {flops / seconds / 1e9:,.1f} GOP/s"
    bound = "" if result.over_bound is None else f", {result.over_bound:.2f}× the model's bound"
    place = "" if result.best.id is None else f"; record {result.best.id}"
    return f"{task.workload.name}: {cost(result.best)}{rate}{bound}; {tried}{place}"
