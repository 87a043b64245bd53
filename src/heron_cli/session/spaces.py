"""From a workload and an accelerator to what is searched: the variants that have a point."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from heron_cli.errors import InputError, SpaceEmptyError

from .settings import Settings
from .workloads import definition

if TYPE_CHECKING:
    from heron_cli.accelerator.model import Accelerator
    from heron_cli.operators.workload import Workload
    from heron_cli.schedule.task import Task, Variant
    from heron_cli.search.problem import Problem, Sampler, VariantSpace
    from heron_cli.space import Space


def make_task(workload: Workload, accelerator: Accelerator) -> Task:
    """The workload on the accelerator: its variants with their spaces."""
    from heron_cli.schedule.task import Task

    return Task(workload, accelerator)


def problem(task: Task, settings: Settings) -> Problem:
    """What the search works on: the variants that have a point, with `settings.fixed` posted as constraints.

    Raises InputError when no variant has a knob of `fixed` or that value for it, SpaceEmptyError with the
    reasons when every variant is proven empty.
    """
    from heron_cli.search.problem import PlainProblem

    kept: list[VariantSpace] = []
    reasons: list[str] = []
    for variant in _with_knobs(task, settings.fixed):
        space = fixed(variant.space, settings.fixed)
        reason = why_empty(space)
        if reason is None:
            kept.append(_variant_space(task, variant, space, settings.sampler))
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


def fixed(space: Space, values: Mapping[str, int]) -> Space:
    """The space with knobs held at `values`. Raises InputError for a value that a knob does not have."""
    from heron_cli.space import Constraint, Var, equal

    extra = []
    for name, value in values.items():
        if value not in space.domains[name]:
            listed = ", ".join(map(str, space.domains[name]))
            raise InputError(f"--set {name}={value}: {name} takes {listed}")
        extra.append(
            Constraint(f"--set {name}", equal(Var(name), value), why="asked for on the command line")
        )
    return space.extended(extra) if extra else space


def why_empty(space: Space) -> str | None:
    """Why the space has no point: the conflicting rules and the cheapest repair. None when it has one."""
    from heron_cli.space import CpBackend, SolverTimeoutError
    from heron_cli.space.explain import explain_empty

    try:
        return str(explain_empty(space)) if CpBackend(space).is_empty() else None
    except SolverTimeoutError:
        return None  # not proven, so the sampler may look for a point


def _with_knobs(task: Task, names: Mapping[str, int]) -> list[Variant]:
    """The variants that have all these knobs. Raises InputError when none has."""
    found = [each for each in task.variants if set(names) <= set(each.space.domains)]
    if not found:
        known = sorted({name for each in task.variants for name in each.space.domains})
        unknown = [name for name in names if name not in known]
        said = f"no knob is called '{unknown[0]}'" if unknown else "no variant has all of these knobs"
        raise InputError(f"--set: {said}; the knobs are {', '.join(known)}")
    return found


def _variant_space(task: Task, variant: Variant, space: Space, sampler: str) -> VariantSpace:
    from heron_cli.search.problem import VariantSpace
    from heron_cli.space import CpSampler, TableSampler

    drawing: Sampler = CpSampler(space) if sampler == "cpsat" else TableSampler(space)
    return VariantSpace(variant.name, space, drawing, partial(task.features, variant))
