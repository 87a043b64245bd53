"""From a workload and an accelerator to what is searched: the variants that have a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
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
    from heron_cli.search.problem import Problem, Sampler, VariantSpace
    from heron_cli.space import Evaluator, Rows, Space

_FEATURES = ("feature.", "roofline.")  # how schedule/ names what it derives for the cost model


def make_task(workload: Workload, accelerator: Accelerator, threads: int = 1) -> Task:
    """The workload on the accelerator, for kernels that run on `threads` threads.

    Raises InputError when the accelerator cannot run it.
    """
    from heron_cli.schedule.task import Task

    task = Task(workload, accelerator, threads)
    _ = task.variants  # generated here, so that a workload that does not fit is told of before any is tuned
    return task


def problem(task: Task, settings: Settings) -> Problem:
    """What the search works on: the variants that have a point, with `settings.fixed` posted as constraints.

    Raises InputError when no variant has a knob of `fixed` or that value for it, SpaceEmptyError with the
    reasons when every variant is proven empty.
    """
    from heron_cli.search.problem import PlainProblem

    kept: list[VariantSpace] = []
    reasons: list[str] = []
    for variant, space in variants_with(task, settings.fixed):
        reason = why_empty(space)
        if reason is None:
            kept.append(_variant_space(variant, space, settings.sampler))
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
    )


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


def why_empty(space: Space) -> str | None:
    """Why the space has no point: the conflicting rules and the cheapest repair. None when it has one."""
    from heron_cli.space import CpBackend, SolverTimeoutError
    from heron_cli.space.explain import explain_empty

    try:
        return str(explain_empty(space)) if CpBackend(space).is_empty() else None
    except SolverTimeoutError:
        return None  # not proven, so the sampler may look for a point


def _variant_space(variant: Variant, space: Space, sampler: str) -> VariantSpace:
    from heron_cli.schedule.seeds import seeds
    from heron_cli.search.problem import VariantSpace
    from heron_cli.space import CpSampler, Evaluator, TableSampler
    from heron_cli.space.violation import violation

    drawing: Sampler = CpSampler(space) if sampler == "cpsat" else TableSampler(space)
    evaluator = Evaluator(space)
    return VariantSpace(
        variant.name,
        space,
        drawing,
        partial(_features, evaluator),
        seeds=seeds(variant.template, space),
        valid=evaluator.valid,
        violation=partial(violation, evaluator),
    )


def _features(evaluator: Evaluator, rows: Rows) -> tuple[NDArray[np.float64], Sequence[str]]:
    """The derived variables that the schedule made for the cost model, [rows, features]."""
    import numpy as np

    columns = evaluator.columns(rows)
    names = [item.name for item in evaluator.space.derived if item.name.startswith(_FEATURES)]
    table = [np.asarray(columns[name], np.float64) for name in names]
    return np.stack(table, axis=1) if table else np.empty((len(rows), 0)), names
