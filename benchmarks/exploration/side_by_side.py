"""Searches of measured spaces side by side: a process on a core of its own for each, points shared by all."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.dlboost_operators.slots import Slot
from benchmarks.dlboost_operators.tuning import in_slots, items, say, settle
from benchmarks.exploration.measured import Asker, MeasuredBed, TimeUpError, search
from benchmarks.exploration.points import Points
from benchmarks.exploration.runs import WARM_METHODS, costs_of
from benchmarks.exploration.statistics import Run

TOLD_METHOD, TOLD_SEED, TOLD_TRIALS = "cga-unseeded", 1000, 64
_GRACE = 20.0  # seconds for the trial under way


@dataclass(frozen=True, slots=True)
class Work:
    """One run. `method` is a method's name, or one of WARM_METHODS, which learn from the beds of `told`."""

    bed: MeasuredBed
    method: str
    seed: int
    trials: int
    told: tuple[MeasuredBed, ...] = ()
    threads: int = 1  # which slots do it


@dataclass(frozen=True, slots=True)
class Plan:
    """`until`: a moment of time.monotonic after which nothing is begun."""

    points: Path
    until: float


def run(work: Sequence[Work], cores: Sequence[int], plan: Plan, take: Any) -> None:
    """Do all the work, each piece on a core of its own; `take` is given each Run as it is done."""
    slots = [Slot(1, (core,)) for core in cores]
    in_slots(worker, work, slots, plan, plan.until + _GRACE, take)


def worker(source: Any, results: Any, slot: Slot, plan: Plan) -> None:
    """Do what comes from the queue on the slot's core; see `in_slots`."""
    settle(slot)
    import benchmarks.exploration.contestants  # noqa: F401  registers the ablations
    from heron_cli.measure.nurseries import Nurseries

    with Points(plan.points) as points, Nurseries() as nurseries:
        for work in items(source):
            if time.monotonic() > plan.until:
                continue
            name, began = f"{work.bed.name}, {work.method}, seed {work.seed}", time.monotonic()
            try:
                found = _run(work, points, nurseries, plan.until)
            except TimeUpError:
                say(f"{name}: cut short")
            except Exception:  # one search must not end the others; the page counts the runs there are
                say(f"{name}: {traceback.format_exc(limit=-4)}")
            else:
                results.put(found)
                say(f"{name}: {min(found.costs):.4g}, {time.monotonic() - began:.0f} s")


def _run(work: Work, points: Points, nurseries: Any, until: float) -> Run:
    from heron_cli import session
    from heron_cli.records import Store

    bed, method = work.bed, WARM_METHODS.get(work.method, work.method)
    problem = bed.problem(prior_of(work.told, points) if work.told else None)
    with Store.in_memory() as store:
        runner = session.make_runner(bed.task, session.Settings(jobs=1), store, nurseries)
        try:
            history = search(problem, method, work.seed, work.trials, Asker(points, bed.key, runner, until))
        finally:
            runner.close()
    return Run(bed.name, work.method, work.seed, work.trials, costs_of(history))


def prior_of(told: Sequence[MeasuredBed], points: Points) -> Any:
    """The model that `heron tune` would have made of the other beds' trials, which are all recorded.

    Raises LookupError where they are not.
    """
    from heron_cli.search import prior
    from heron_cli.session.spaces import bare_spaces
    from heron_cli.trial import Trial

    examples: dict[str, Any] = {}
    for bed in told:
        trials = [Trial(candidate, found) for candidate, found in points.all(bed.key)]
        if len(trials) < TOLD_TRIALS:
            raise LookupError(f"{bed.name}: {len(trials)} of {TOLD_TRIALS} trials are measured")
        examples[bed.name] = [
            (space, [trial for trial in trials if trial.candidate.variant == space.name])
            for space in bare_spaces(bed.task)
        ]
    task = told[0].task
    return prior.train(told[0].operator, task.accelerator.name, task.accelerator.digest, examples)
