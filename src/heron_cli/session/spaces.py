"""From a workload and an accelerator to what is searched: the variants that have a point."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from heron_cli.errors import InputError, SpaceEmptyError

from .settings import Settings
from .workloads import definition

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from heron_cli.accelerator.model import Accelerator
    from heron_cli.operators.workload import Workload
    from heron_cli.schedule.task import Task, Variant
    from heron_cli.search.bound import Bound
    from heron_cli.search.prior import Prior
    from heron_cli.search.problem import PlainProblem, Sampler, VariantSpace
    from heron_cli.space import CpBackend, Evaluator, Rows, Space

    from .elsewhere import Elsewhere

_FEATURES = ("feature.", "roofline.")  # how schedule/ names what it derives for the cost model


def make_task(workload: Workload, accelerator: Accelerator, threads: int = 1) -> Task:
    """The workload on the accelerator, for kernels that run on `threads` threads.

    Raises InputError when the accelerator cannot run it.
    """
    from heron_cli.schedule.task import Task

    task = Task(workload, accelerator, threads)
    _ = task.variants  # generated here, so that a workload that does not fit is told of before any is tuned
    return task


def problem(
    task: Task, settings: Settings, prior: Prior | None = None, elsewhere: Elsewhere | None = None
) -> PlainProblem:
    """What the search works on: the variants that have a point, with `settings.fixed` posted as constraints;
    `prior` is what is known from other workloads, `elsewhere` from other numbers of threads.

    Raises InputError when no variant has a knob of `fixed` or that value for it, SpaceEmptyError with the
    reasons when every variant is proven empty.
    """
    from heron_cli.schedule.seeds import lower_bound, seeds
    from heron_cli.search.problem import PlainProblem
    from heron_cli.space import CpBackend, CpSampler, TableSampler

    import_module("heron_cli.space.cp_solve")  # loads OR-Tools, once a process: that is not solving
    started = time.monotonic()
    kept: list[VariantSpace] = []
    bounds: list[int | None] = []
    reasons: list[str] = []
    for variant, space in variants_with(task, settings.fixed):
        solver = CpBackend(space)
        reason = why_empty(space, solver)
        if reason is None:
            table = TableSampler(space)
            sampler = CpSampler(space) if settings.sampler == "cpsat" else table
            found = seeds(variant.template, space, solver, table)
            if elsewhere is not None:
                found = [*elsewhere.seeds(variant, table), *found]
            made = variant_space(task, variant, space, sampler, found)
            kept.append(replace(made, prior=prior))
            bounds.append(lower_bound(variant.space, solver if space is variant.space else None))
        else:
            reasons.append(f"{variant.name}: {reason}")
    if not kept:
        raise SpaceEmptyError(f"{task.key}: no program fits {task.accelerator.name}: {'; '.join(reasons)}")
    return PlainProblem(
        key=task.workload.key,
        operator=task.workload.operator,
        target=task.accelerator.name,
        digest=task.accelerator.digest,
        variants=kept,
        definition=definition(task.workload),
        bound=_model_bound(task, bounds),
        solve_seconds=time.monotonic() - started,
    )


def _model_bound(task: Task, bounds: Sequence[int | None]) -> Bound | None:
    """The least of the variants' bounds in the unit of the measurements; None where one has none."""
    from heron_cli.backends import registry
    from heron_cli.backends.base import SimulatedBackend
    from heron_cli.search.bound import Bound

    known = [bound for bound in bounds if bound is not None]
    if len(known) < len(bounds):
        return None
    if isinstance(registry.get(task.accelerator.backend), SimulatedBackend):
        return Bound(float(min(known)))
    clock = task.accelerator.clock
    return None if clock is None else Bound(min(known) / clock)


def variants_with(task: Task, values: Mapping[str, int]) -> list[tuple[Variant, Space]]:
    """The variants that have these knobs and values, with their spaces held to them.

    Raises InputError when there is none.
    """
    from heron_cli.space import Constraint, Var, equal

    domains = [variant.space.domains for variant in task.variants]
    for name, value in values.items():
        taken = sorted({each for domain in domains for each in domain.get(name, ())})
        if not taken:
            known = sorted({name for domain in domains for name in domain})
            raise InputError(f"--set: no knob is called '{name}'; the knobs are {', '.join(known)}")
        if value not in taken:
            raise InputError(f"--set: {name} is {value}; it takes {', '.join(map(str, taken))}")
    why = "asked for on the command line"
    extra = [
        Constraint(f"--set {name}={value}", equal(Var(name), value), None, why)
        for name, value in values.items()
    ]
    found = [
        (variant, variant.space.extended(extra) if extra else variant.space)
        for variant in task.variants
        if all(value in variant.space.domains.get(name, ()) for name, value in values.items())
    ]
    if not found:
        raise InputError("--set: no variant has all of these knobs and values")
    return found


def why_empty(space: Space, solver: CpBackend | None = None) -> str | None:
    """Why the space has no point: the conflicting rules and the cheapest repair. None when it has one."""
    from heron_cli.space import CpBackend, SolverTimeoutError
    from heron_cli.space.explain import explain_empty

    try:
        return str(explain_empty(space)) if (solver or CpBackend(space)).is_empty() else None
    except SolverTimeoutError:
        return None  # not proven, so the sampler may look for a point


def bare_spaces(task: Task) -> list[VariantSpace]:
    """All variants of a task for reading records of it: without seeds, so nothing is solved."""
    from heron_cli.space import TableSampler

    return [
        variant_space(task, variant, variant.space, TableSampler(variant.space)) for variant in task.variants
    ]


def variant_space(
    task: Task, variant: Variant, space: Space, sampler: Sampler, seeds: Sequence[Mapping[str, int]] = ()
) -> VariantSpace:
    """What the search sees of a variant, whose space may be narrower or wider than its own."""
    from heron_cli.operators import registry
    from heron_cli.schedule.roofline import BOUND, CYCLES
    from heron_cli.search.problem import REFINED, UNTOLD, VariantSpace
    from heron_cli.space import Evaluator
    from heron_cli.space.violation import violation

    evaluator = Evaluator(space)
    derived = {item.name for item in space.derived}
    return VariantSpace(
        variant.name,
        space,
        sampler,
        partial(_features, evaluator),
        seeds=seeds,
        valid=evaluator.valid,
        violation=partial(violation, evaluator),
        estimate=partial(_column, evaluator, CYCLES) if CYCLES in derived else None,
        kind=partial(_kind, evaluator) if BOUND in derived or CYCLES not in derived else None,
        refined=REFINED if BOUND in derived else UNTOLD,
        work=float(registry.get(task.workload.operator).flops(task.workload)),
    )


def _column(evaluator: Evaluator, name: str, rows: Rows) -> NDArray[np.int64]:
    return evaluator.of((name,), rows)[0]


def _kind(evaluator: Evaluator, rows: Rows) -> NDArray[np.float64]:
    """What a roofline that bounds the cost sees of each row, or sizes of tiles where nothing is estimated.

    Coarser estimates miss knobs that matter.
    """
    return _features(evaluator, rows)[0]


def _features(evaluator: Evaluator, rows: Rows) -> tuple[NDArray[np.float64], Sequence[str]]:
    """The derived variables that the schedule made for the cost model, [rows, features]."""
    import numpy as np

    names = tuple(item.name for item in evaluator.space.derived if item.name.startswith(_FEATURES))
    table = evaluator.of(names, rows)
    return np.stack(table, axis=1, dtype=np.float64) if table else np.empty((len(rows), 0)), names
