"""Generation 0: optima of an analytic model over the same space, found by CP-SAT and forced apart.

The model is the traffic into the innermost tile: loads per multiply-accumulate, which a matrix intrinsic
cannot hide once it issues as fast as it can (the roofline's nearest memory). It knows nothing of caches,
so its optima are places to start from, not answers. They differ in tile shape, and there are some for
every value of the knobs that the model is blind to but that change the program most: where the input lies.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from heron_cli.space import CpBackend, SolverTimeoutError, Space, TableSampler, Var

OBJECTIVE = "feature.loads_per_kilo"
PLACE, SHAPE = "place.", "register."
PER_PLACE = 3


def seeds(space: Space, per_place: int = PER_PLACE) -> list[dict[str, int]]:
    """Assignments of the knobs, the best of every place first; at most `per_place` for each.

    Empty where the space does not derive the model's objective.
    """
    if OBJECTIVE not in {item.name for item in space.derived}:
        return []
    place = next((knob for knob in space.knobs if knob.name.startswith(PLACE)), None)
    strata: list[Mapping[str, tuple[int, ...]]] = (
        [{place.name: (value,)} for value in place.values] if place else [{}]
    )
    if not place:
        per_place *= 2
    sampler, rng = TableSampler(space), np.random.default_rng(0)
    ranked = [_optima(space, stratum, per_place, sampler, rng) for stratum in strata]
    return [found[i] for i in range(per_place) for found in ranked if i < len(found)]


def _optima(
    space: Space,
    restrict: Mapping[str, tuple[int, ...]],
    count: int,
    sampler: TableSampler,
    rng: np.random.Generator,
) -> list[dict[str, int]]:
    solver = CpBackend(space)
    shape = [name for name in space.names if name.startswith(SHAPE)]
    found: list[dict[str, int]] = []
    for _ in range(count):
        used = [{name: values[name] for name in shape} for values in found]
        try:
            optimum = solver.minimise(Var(OBJECTIVE), restrict, avoid=used)
        except SolverTimeoutError:
            break
        if optimum is None:
            break
        chosen = {name: (optimum.values[name],) for name in shape}
        (row,) = sampler.sample(1, rng, {**restrict, **chosen})
        found.append(space.values(row))
    return found
