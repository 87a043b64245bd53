"""Generation 0: optima of an analytic model over the same space, found by CP-SAT and forced apart.

Where the template has a roofline (`roofline.py`), its estimate is minimised: CP-SAT finds the optimum, and
uniform draws ranked by the estimate give the best of every other tile shape, since what a model leaves out
depends on the shape most. Elsewhere the model is what the innermost tile costs: its products, without taps
that are padding, and its loads, which a matrix intrinsic cannot hide once it issues as fast as it can. It
knows little of caches, so there are some optima for every value of the knob that it is blind to and that
changes the program most: where the input lies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from heron_cli.distinct import first_of_each
from heron_cli.schedule.primitives import Split
from heron_cli.schedule.roofline import BOUND, CYCLES
from heron_cli.schedule.sharing import Completion
from heron_cli.schedule.template import Template
from heron_cli.space import CpBackend, Evaluator, Rows, SolverTimeoutError, Space, TableSampler, Var

OBJECTIVES = ("feature.cost_per_kilo", "feature.loads_per_kilo")
"""Of those that a space derives, the first is minimised."""
PLACE = "place."
STORE = "store"
PER_PLACE = 3
SEEDS = 12
DRAWN = 8192
"""Uniform draws that are ranked by the estimate."""
EFFORT = 1.0
"""Limit of the search for its optimum, in CP-SAT's deterministic time."""


def seeds(
    template: Template, space: Space, solver: CpBackend | None = None, sampler: TableSampler | None = None
) -> list[dict[str, int]]:
    """Assignments of the knobs worth trying first, the most promising first; of different tile shapes.

    Empty where the space does not derive a model's objective. `solver` and `sampler` are of this space, if
    there are some already: making them costs more than using them.
    """
    solver, sampler = solver or CpBackend(space), sampler or TableSampler(space)
    derived = {item.name for item in space.derived}
    if CYCLES in derived:
        return _near_optima(template, space, solver, sampler)
    objective = next((name for name in OBJECTIVES if name in derived), None)
    return _by_place(template, space, objective, solver, sampler) if objective else []


def lower_bound(space: Space, solver: CpBackend | None = None) -> int | None:
    """Cycles that no program of the space beats in the roofline's model; None without a model or a proof."""
    if BOUND not in {item.name for item in space.derived}:
        return None
    try:
        optimum = (solver or CpBackend(space)).minimise(Var(BOUND), effort=EFFORT)
    except SolverTimeoutError:
        return None
    return None if optimum is None else optimum.bound


def tile_knobs(template: Template, space: Space) -> list[str]:
    """The knobs of the innermost tile."""
    inner = {f"{split.inner}.{split.axis}" for split in template.all(Split)}
    return [name for name in space.names if name in inner]


def _near_optima(
    template: Template, space: Space, solver: CpBackend, sampler: TableSampler
) -> list[dict[str, int]]:
    rng = np.random.default_rng(0)
    drawn = sampler.sample(DRAWN, rng)
    pool = rng.permutation(drawn[first_of_each(drawn)])
    estimates = Evaluator(space).evaluate(Var(CYCLES), pool)
    order = np.argsort(estimates, kind="stable")
    better = _better(space, solver, int(estimates[order[0]]) - 1)
    columns = [space.names.index(name) for name in tile_knobs(template, space)]
    ranked = np.concatenate([better, pool[order]])
    return [space.values(row) for row in ranked[np.sort(first_of_each(ranked[:, columns]))[:SEEDS]]]


def _better(space: Space, solver: CpBackend, limit: int) -> Rows:
    """The proven optimum, or the best that CP-SAT finds in its time, where it is at most `limit`: [1, knobs],
    else no row.
    """
    nothing = np.empty((0, len(space.knobs)), np.int64)
    try:
        optimum = solver.minimise(Var(CYCLES), effort=EFFORT, at_most=limit)
    except SolverTimeoutError:
        return nothing
    return nothing if optimum is None else space.row(optimum.values)[None, :]


def _by_place(
    template: Template, space: Space, objective: str, solver: CpBackend, sampler: TableSampler
) -> list[dict[str, int]]:
    place = next((knob for knob in space.knobs if knob.name.startswith(PLACE)), None)
    strata: list[Mapping[str, tuple[int, ...]]] = (
        [{place.name: (value,)} for value in place.values] if place else [{}]
    )
    if any(knob.name == STORE for knob in space.knobs):  # past the caches is right for few workloads
        strata = [{**stratum, STORE: (0,)} for stratum in strata]
    per_place = PER_PLACE if place else 2 * PER_PLACE
    axes = {axis.name for axis in template.einsum.spatial}  # steps of the reduction hardly matter
    shape = [name for name in tile_knobs(template, space) if name.partition(".")[2] in axes]
    complete = Completion(template, space, sampler)
    ranked = [
        _optima(space, solver, objective, stratum, per_place, shape, complete.draw) for stratum in strata
    ]
    return [found[i] for i in range(per_place) for found in ranked if i < len(found)]


def _optima(
    space: Space,
    solver: CpBackend,
    objective: str,
    restrict: Mapping[str, tuple[int, ...]],
    count: int,
    shape: Sequence[str],
    complete: Callable[[Mapping[str, tuple[int, ...]]], Rows],
) -> list[dict[str, int]]:
    """Optima over `shape` within `restrict`; `complete` draws a row within a restriction."""
    found: list[dict[str, int]] = []
    for _ in range(count):
        used = [{name: values[name] for name in shape} for values in found]
        try:
            optimum = solver.minimise(Var(objective), restrict, avoid=used)
        except SolverTimeoutError:
            break
        if optimum is None:
            break
        chosen = {name: (optimum.values[name],) for name in shape}
        found.append(space.values(complete({**restrict, **chosen})))
    return found
