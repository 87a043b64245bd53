"""Tuning one workload: problem, runner, method and store put together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from heron_cli.errors import NoValidTrialError

from .bounds import with_machine_bound
from .elsewhere import Elsewhere
from .remote import ray_runner, rpc_runner, versions_of
from .settings import RunnerKind, Settings
from .spaces import problem
from .transfer import prior_for

if TYPE_CHECKING:
    from heron_cli.measure.nurseries import Nurseries
    from heron_cli.records import Store
    from heron_cli.schedule.task import Task
    from heron_cli.search.driver import Search
    from heron_cli.search.events import OnEvent
    from heron_cli.search.problem import Problem, Runner
    from heron_cli.search.result import Budget, TuneResult


def make_runner(task: Task, settings: Settings, store: Store, nurseries: Nurseries | None = None) -> Runner:
    """The runner that `settings` asks for; the caller closes it, and the `nurseries` that it shares."""
    from heron_cli.backends import registry
    from heron_cli.backends.base import SimulatedBackend
    from heron_cli.measure.build_only import BuildOnlyRunner
    from heron_cli.measure.local import LocalRunner
    from heron_cli.measure.simulated import SimulatedRunner
    from heron_cli.operators.expected import Reference
    from heron_cli.records import best_of
    from heron_cli.search.replay import ReplayRunner

    workload, digest = task.workload.key, task.accelerator.digest
    if settings.runner is RunnerKind.REPLAY:
        return ReplayRunner(store.trials(workload, digest, settings.threads, purpose=None))
    backend = registry.get(task.accelerator.backend)
    if settings.runner is RunnerKind.BUILD_ONLY:
        return BuildOnlyRunner(task, backend, jobs=settings.jobs, threads=settings.threads)
    past = store.trials(workload, digest, settings.threads, versions_of(task, settings), purpose=None)
    best = best_of(past)
    known = {each.trial.measurement.program: each.trial.measurement for each in past}
    known.pop("", None)
    incumbent = None if best is None else best.trial.measurement.seconds
    if settings.runner is RunnerKind.RPC:
        return rpc_runner(task, backend, settings, incumbent, known, nurseries)
    if settings.runner is RunnerKind.RAY:
        return ray_runner(task, backend, settings, incumbent)
    if isinstance(backend, SimulatedBackend):
        cycles = None if best is None else best.trial.measurement.cycles
        reference = Reference(task.workload)
        return SimulatedRunner(task, backend, reference, seed=settings.seed, incumbent=cycles)
    return LocalRunner(
        task,
        backend,
        Reference(task.workload),
        jobs=settings.jobs,
        threads=settings.threads,
        seed=settings.seed,
        incumbent=incumbent,
        known=known,
        nurseries=nurseries,
    )


def _asked(task: Task, store: Store, settings: Settings, on_event: OnEvent | None) -> tuple[Problem, Budget]:
    """What is searched, warmed up by other shapes where that is asked for, and for how long. It begins with
    what other numbers of threads found.
    """
    from heron_cli.search.events import WarmedUp
    from heron_cli.search.result import Budget

    prior = prior_for(task, store) if settings.transfer else None
    if prior is not None and on_event is not None:
        on_event(WarmedUp(prior.trials, len(prior.workloads)))
    elsewhere = Elsewhere(task, store, versions_of(task, settings)) if settings.measures else None
    searched = with_machine_bound(problem(task, settings, prior, elsewhere), task, settings)
    return searched, Budget(settings.trials, settings.seconds, settings.gap)


def open_search(
    task: Task,
    store: Store,
    settings: Settings,
    on_event: OnEvent,
    clock: Callable[[], float] = time.monotonic,
) -> Search:
    """A search of one workload to be stepped by the caller, who closes it; raises as `tune` does."""
    from heron_cli.search.driver import Search

    searched, budget = _asked(task, store, settings, on_event)
    return Search(
        searched,
        settings.method,
        store,
        budget,
        settings.seed,
        on_event,
        threads=settings.threads,
        rank_again=settings.rank_again,
        versions=versions_of(task, settings),
        clock=clock,
    )


def tune(
    task: Task,
    store: Store,
    settings: Settings,
    on_event: OnEvent | None = None,
    nurseries: Nurseries | None = None,
) -> TuneResult:
    """Tune one workload and record every trial in `store`; replays and mere builds are not recorded.

    `nurseries` given are shared with other runs and left open.

    Raises SpaceEmptyError, NoValidTrialError (after the event `Finished`; not for mere builds that
    succeeded) and InputError, as `search.driver.tune` and `problem` do.
    """
    from heron_cli.records import Store as Records
    from heron_cli.search import driver
    from heron_cli.search.events import Event, Finished

    searched, budget = _asked(task, store, settings, on_event)
    recorded = settings.measures
    finished: list[TuneResult] = []

    def notice(event: Event) -> None:
        if isinstance(event, Finished):
            event = Finished(event.result if recorded else _without_id(event.result))
            finished.append(event.result)
        if on_event is not None:
            on_event(event)

    runner = make_runner(task, settings, store, nurseries)
    try:
        driver.tune(
            searched,
            settings.method,
            runner,
            store if recorded else Records.in_memory(),
            budget,
            settings.seed,
            notice,
            threads=settings.threads,
            rank_again=settings.rank_again,
            versions=versions_of(task, settings),
        )
    except NoValidTrialError:
        if settings.runner is not RunnerKind.BUILD_ONLY or not finished or not finished[0].valid:
            raise  # otherwise candidates were built, which is all that was asked for
    finally:
        runner.close()
    return finished[0]


def _without_id(result: TuneResult) -> TuneResult:
    """The result of a run that was not recorded: its ids are of no database."""
    return result if result.best is None else replace(result, best=replace(result.best, id=None))
