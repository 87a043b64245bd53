"""Running a job: its workloads share one budget of wall clock, slice by slice."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from heron_cli import session
from heron_cli.errors import HeronError, NoValidTrialError
from heron_cli.jobs.acceptance import Bar, Verdict, read_bar
from heron_cli.jobs.job import Job
from heron_cli.jobs.scheduler import Progress, choose
from heron_cli.measure.nurseries import Nurseries
from heron_cli.search.events import Event, Finished
from heron_cli.session.chosen import native_types, workloads_of_file

if TYPE_CHECKING:
    from heron_cli.records import Record, Store
    from heron_cli.schedule.task import Task
    from heron_cli.search.driver import Search
    from heron_cli.search.problem import Runner
    from heron_cli.search.result import TuneResult

_RIVALS = 4  # a final ranking takes about as long as so many trials, and half as long again
_MOST_RESERVED = 0.25  # of the budget


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one workload: a result, or an error, or neither where the budget did not reach it."""

    task: Task
    result: TuneResult | None
    error: HeronError | None
    seconds: float
    slices: int
    verdict: Verdict | None = None

    @property
    def best(self) -> Record | None:
        """The winner, if there is one."""
        return self.result.best if self.result else None


@dataclass(frozen=True, slots=True)
class Slice:
    """A workload had its turn: where it stands; `number` counts the job's slices from 1."""

    number: int
    task: Task
    trials: int
    best: Record | None


OnSlice = Callable[[Slice], None]


def tasks_of(job: Job, *, here: bool = True) -> list[Task]:
    """Every workload on every accelerator of the job, each once, in the order of the file.

    `here` says that this machine must be able to measure them. Raises InputError when an accelerator, a file
    or a workload of it cannot be used.
    """
    from heron_cli.accelerator.loader import load

    tasks: dict[tuple[str, str], Task] = {}
    for name in job.accelerators:
        machine = load(name)
        if here:
            session.require_measurable(machine)
        for choice in job.workloads:
            for workload in workloads_of_file(choice.file, choice.only, native_types(machine)):
                key = (machine.name, workload.key)
                if key not in tasks:
                    tasks[key] = session.make_task(workload, machine, job.threads)
    return list(tasks.values())


def run(
    job: Job,
    tasks: Sequence[Task],
    store: Store,
    on_slice: OnSlice = lambda _: None,
    *,
    settings: session.Settings | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> list[Outcome]:
    """Tune the tasks within the job's budget and judge them; one outcome each, in their order.

    The clock of the budget starts here. The final rankings are planned for within it. An error of one
    workload does not stop the others. Raises InputError when the bar that the job requires is missing.
    """
    bar = None
    if job.acceptance is not None:
        bar = read_bar(job.acceptance.against, job.acceptance.min_speedup, required=job.acceptance.required)
    if settings is None:
        settings = session.Settings(
            trials=job.trials,
            seconds=job.seconds if job.trials is None else None,
            seed=job.seed,
            method=job.method,
            threads=job.threads,
        )
    settings.check()
    with _Desk(tasks, store, settings, job.seconds, clock) as desk:
        while (turn := desk.slice()) is not None:
            on_slice(turn)
        return [desk.outcome(part, bar) for part in desk.parts]


@dataclass(slots=True)
class _Part:
    """One workload of the job."""

    task: Task
    progress: Progress
    search: Search | None = None
    error: HeronError | None = None
    finished: list[TuneResult] = field(default_factory=list)
    slices: int = 0

    def note(self, event: Event) -> None:
        if isinstance(event, Finished):
            self.finished.append(event.result)


class _Desk:
    """The open searches, and the one runner that is up: that of the workload which had the last slice."""

    def __init__(
        self,
        tasks: Sequence[Task],
        store: Store,
        settings: session.Settings,
        seconds: float | None,
        clock: Callable[[], float],
    ) -> None:
        self.parts = [
            _Part(task, Progress(task.accelerator.name, float(task.workload.count))) for task in tasks
        ]
        self._store, self._settings, self._clock = store, settings, clock
        self._deadline = None if seconds is None else clock() + seconds
        self._budget = seconds
        self._count = 0
        self._nurseries = Nurseries()
        self._runner: Runner | None = None
        self._of: _Part | None = None

    def slice(self) -> Slice | None:
        """Give the most promising workload one round; None when time is up or nothing is left to do."""
        while not self._late():
            index = choose([part.progress for part in self.parts])
            if index is None:
                return None
            part = self.parts[index]
            began = self._clock()
            try:
                search = part.search or self._open(part)
                stopped = search.step(self._runner_of(part), self._until())
            except HeronError as error:
                part.error, part.progress.done = error, True
                continue
            part.slices += 1
            self._count += 1
            part.progress.done = stopped is not None
            best = search.journal.incumbent
            part.progress.add(
                len(search.journal.own), None if best is None else best.cost, self._clock() - began
            )
            return Slice(self._count, part.task, len(search.journal.own), best)
        return None

    def outcome(self, part: _Part, bar: Bar | None) -> Outcome:
        """Rank what a workload brought, and judge it."""
        began = self._clock()
        begun = part.search is not None and bool(part.search.journal.own or part.search.journal.incumbent)
        if part.search is not None and begun and part.error is None:
            try:
                part.search.finish(self._runner_of(part))
            except HeronError as error:
                part.error = error
        result = part.finished[0] if part.finished else None
        best = result.best if result else None
        key = (part.task.workload.key, part.task.accelerator.name, self._settings.threads)
        reached = begun or part.error is not None
        verdict = bar.judge(key, best) if bar is not None and reached else None
        seconds = part.progress.seconds + self._clock() - began
        return Outcome(part.task, result, part.error, seconds, part.slices, verdict)

    def __enter__(self) -> _Desk:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            for part in self.parts:
                if part.search is not None:
                    stack.enter_context(closing(part.search))
            stack.enter_context(self._nurseries)
            stack.callback(self._drop)

    def _open(self, part: _Part) -> Search:
        search = session.open_search(part.task, self._store, self._settings, part.note, self._clock)
        part.search = search
        part.progress.bound = 0.0 if search.bound is None else search.bound.cost
        best = search.journal.incumbent
        part.progress.add(len(search.journal.own), None if best is None else best.cost)
        return search

    def _runner_of(self, part: _Part) -> Runner:
        if self._runner is None or self._of is not part:
            self._drop()
            self._runner = session.make_runner(part.task, self._settings, self._store, self._nurseries)
            self._of = part
        return self._runner

    def _drop(self) -> None:
        if self._runner is not None:
            self._runner.close()
        self._runner = None

    def _until(self) -> float | None:
        """When searching has to end, so that the rankings fit into the budget."""
        if self._deadline is None or self._budget is None:
            return None
        paces = [part.progress.seconds_per_trial or 0.0 for part in self.parts if part.search is not None]
        return self._deadline - min(1.5 * _RIVALS * sum(paces), _MOST_RESERVED * self._budget)

    def _late(self) -> bool:
        until = self._until()
        return until is not None and self._clock() >= until


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 when all is well; 5 when a bar is missed, else the code of the first error.

    A workload that the budget did not reach is no error of its own; a job that reached none has code 4.
    """
    if any(outcome.verdict is not None and outcome.verdict.missed for outcome in outcomes):
        return 5
    for outcome in outcomes:
        if outcome.error is not None:
            return outcome.error.exit_code
    return 0 if any(outcome.best for outcome in outcomes) else NoValidTrialError.exit_code
