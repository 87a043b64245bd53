"""Tuning workloads one after the other: what is shown, what the JSON says, and how it ends."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from heron_cli import session
from heron_cli.errors import HeronError, NoValidTrialError, SpaceEmptyError
from heron_cli.records import Store
from heron_cli.search.events import Event, Finished
from heron_cli.session import RunnerKind, Settings
from heron_cli.session.built import ranked
from heron_cli.session.documents import built, tuned

from . import output
from .application import INTERRUPTED, complain
from .progress import cost, reporter

if TYPE_CHECKING:
    from heron_cli.schedule.task import Task
    from heron_cli.search.result import TuneResult

_SHOWN = 5  # of the kernels that were only built
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
                for text in built_lines(task, finished[0], settings):
                    click.echo(text)
    if as_json:
        output.document(document(results, settings))
    for failure in failures:
        complain(str(failure))
    if failures:
        raise click.exceptions.Exit(failures[0].exit_code)


def document(results: Sequence[tuple[Task, TuneResult | None]], settings: Settings) -> dict[str, Any]:
    """The document of `tune --json`; a single workload's keys stand at the top as well."""
    workloads = [tuned(task, result) for task, result in results]
    if settings.runner is RunnerKind.BUILD_ONLY:
        for entry, (task, result) in zip(workloads, results, strict=True):
            kernels = ranked(task, result.records, _SHOWN) if result else []
            entry["built"] = [built(kernel) for kernel in kernels]
    return {"workloads": workloads, **(workloads[0] if len(workloads) == 1 else {})}


def built_lines(task: Task, result: TuneResult, settings: Settings) -> Iterator[str]:
    """Of mere builds, those that the analytic model thinks fastest, with what the compiler says of them."""
    if settings.runner is not RunnerKind.BUILD_ONLY:
        return
    kernels = ranked(task, result.records, _SHOWN)
    if any(kernel.estimate is not None for kernel in kernels):
        yield f"  the {len(kernels)} fastest of them by the analytic model:"
    for kernel in kernels:
        parts = [] if kernel.estimate is None else [f"{kernel.estimate:,.0f} cycles estimated"]
        parts += [f"{name} {value:g}" for name, value in sorted(kernel.metrics.items())]
        parts += [f"{name} ×{count}" for name, count in sorted((kernel.instructions or {}).items())]
        chosen = " ".join(f"{name}={value}" for name, value in kernel.candidate.values.items())
        yield f"  {kernel.candidate.variant}: {', '.join([*parts, chosen])}"
    if kernels and kernels[0].instructions is None and "registers" in kernels[0].metrics:
        yield "  (no nvdisasm here, so instructions are not counted; the wheel nvidia-cuda-nvdisasm has it)"


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
    bound = "" if result.over_bound is None else f", {result.over_bound:.2f}× {result.bound}"
    place = "" if result.best.id is None else f"; record {result.best.id}"
    return f"{task.workload.name}: {cost(result.best)}{rate}{bound}; {tried}{place}"
