"""Running a job from the command line: what is shown, which files are written, how it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from heron_cli import session
from heron_cli.errors import InputError
from heron_cli.jobs.html import html
from heron_cli.jobs.junit import junit
from heron_cli.jobs.run import Outcome, Slice, exit_code, run, tasks_of
from heron_cli.jobs.summary import summary
from heron_cli.records import Query, Store
from heron_cli.records.record import utc_now

from . import output
from .application import INTERRUPTED, complain
from .progress import cost
from .tuning import keep_interruptible, line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heron_cli.jobs.job import Job


def run_job(
    job: Job, settings: session.Settings, db: Path, out: Path | None, *, live: bool, as_json: bool
) -> int:
    """Run it, print a line per workload, write the files into `out` and the libraries; the exit code.

    `live` redraws one line of progress; otherwise each slice is a line. Raises InputError when something that
    the job names cannot be used or `out` cannot be written.
    """
    started, clock = utc_now(), time.monotonic()
    tasks = tasks_of(job, here=settings.runner is session.RunnerKind.LOCAL)
    if out is not None:
        with _written(out):
            out.mkdir(parents=True, exist_ok=True)

    def show(turn: Slice) -> None:
        keep_interruptible()
        best = "no valid kernel yet" if turn.best is None else f"best {cost(turn.best)}"
        text = f"slice {turn.number}: {turn.task.workload.name}: {turn.trials} trials, {best}"
        if job.seconds is not None:
            text += f", {max(0.0, job.seconds + clock - time.monotonic()):.0f} s left"
        click.echo(f"\r\033[K{text}" if live else text, err=True, nl=not live)

    with Store.open(db) as store:
        try:
            outcomes = run(job, tasks, store, show, settings=settings)
        except KeyboardInterrupt:
            complain(f"interrupted; what was measured is kept in {db}; the same command goes on from there")
            return INTERRUPTED
        if live:
            click.echo(err=True)
        code = exit_code(outcomes)
        lines = [_line(outcome) for outcome in outcomes]
        document = summary(job, outcomes, started, time.monotonic() - clock)
        if as_json:
            output.document(document)
        else:
            for each in lines:
                click.echo(each)
        if out is not None:
            with _written(out):
                (out / "junit.xml").write_bytes(junit(job.name, outcomes, lines))
                (out / "report.html").write_text(_page(job, document, outcomes, store), encoding="utf-8")
                text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
                (out / "summary.json").write_text(text + "\n", encoding="utf-8")
        if job.library is not None and code != 5:
            _export(job, outcomes, store, job.library)
    for outcome in outcomes:
        if outcome.error is not None:
            complain(str(outcome.error))
        if outcome.verdict is not None and outcome.verdict.missed:
            name = f"{outcome.task.accelerator.name}: {outcome.task.workload.name}"
            complain(f"{name}: {outcome.verdict.reason}")
    if code == 4 and not any(outcome.error for outcome in outcomes):
        complain(f"{job.name}: no workload has a kernel; the budget is too small")
    return code


def _line(outcome: Outcome) -> str:
    """What became of a workload, in one line."""
    machine = outcome.task.accelerator.name
    if outcome.result is not None:
        text = line(outcome.task, outcome.result)
    elif outcome.error is not None:
        text = f"{outcome.task.workload.name}: {str(outcome.error).splitlines()[0]}"
    else:
        text = f"{outcome.task.workload.name}: not reached within the budget"
    verdict = outcome.verdict
    if verdict is None:
        return f"{machine}: {text}"
    detail = f" ({verdict.speedup:.3f}×)" if verdict.speedup is not None else f" ({verdict.reason})"
    return f"{machine}: {text}; {verdict.standing}{detail}"


def _page(job: Job, document: dict[str, Any], outcomes: Sequence[Outcome], store: Store) -> str:
    """The report, with all trials that the job's workloads have ever had on their accelerators."""
    records = []
    for task in (outcome.task for outcome in outcomes):
        digest = task.accelerator.digest
        records += store.all(Query(task.workload.key, target_digest=digest, threads=job.threads))
    return html(document, records, [outcome.best for outcome in outcomes if outcome.best])


def _export(job: Job, outcomes: Sequence[Outcome], store: Store, directory: Path) -> None:
    """A library for each accelerator that has a kernel, in a folder of its name."""
    with _written(directory):
        directory.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(outcome.task.accelerator.name for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.task.accelerator.name == name]
        if not any(outcome.best for outcome in mine):
            continue
        session.export(
            store,
            mine[0].task.accelerator,
            directory / name,
            threads=job.threads,
            workloads=[outcome.task.workload for outcome in mine],
            allow_missing=True,
            force=True,
        )
        output.note(f"wrote {directory / name}")


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{error.filename or path}: cannot be written: {error.strerror}") from error
