"""Derived variables that the cost model sees besides the knobs: how much work, traffic and code a tile means.

They are expressions of the space like every other derived variable, so the evaluator computes them.
"""

from __future__ import annotations

from heron_cli.accelerator.words import INTRINSIC
from heron_cli.schedule.constraints.base import Poster
from heron_cli.schedule.einsum import Einsum
from heron_cli.schedule.padding import multiplied_per_kilo
from heron_cli.schedule.primitives import Bind
from heron_cli.space import Expression, Var, const, product, total

_COSTS = ("broadcast_cost", "vector_cost", "intrinsic_cost")
"""Under `estimate:` where loads are instructions: of an input's, of a weight's, and of the intrinsic."""


def add_features(poster: Poster) -> None:
    """Derive `feature.*` for every level: points of its tile, elements of each operand that it touches."""
    template = poster.template
    einsum, space = template.einsum, poster.space
    inner = [level for level in template.accelerator.levels if level.name != INTRINSIC]
    for level in inner[1:]:
        levels = poster.below(level.name)
        tiles = {axis.name: poster.tile(axis.name, levels) for axis in einsum.axes}
        space.derive(f"feature.{level.name}.work", product([const(1), *tiles.values()]))
        space.derive(
            f"feature.{level.name}.input",
            poster.footprint(einsum.input, tiles),
        )
        space.derive(f"feature.{level.name}.weight", _weight(einsum, tiles))
        space.derive(
            f"feature.{level.name}.output",
            product([const(1), *(tiles[axis.name] for axis in einsum.spatial)]),
        )
    for bind in template.all(Bind):
        space.derive(f"feature.{bind.level}.iterations", Var(f"{bind.level}.iterations"))
    unrolled = [level.name for level in inner if level.unroll]
    lane = template.tensorize.lane
    rows = [axis.name for axis in einsum.spatial if axis.name != lane]
    points = product([const(1), *(poster.factor(v, axis) for v in unrolled for axis in rows)])
    vectors = product([const(1), *(poster.factor(v, lane) for v in unrolled if lane is not None)])
    space.derive("feature.accumulators", points * vectors)
    space.derive("feature.loads", points + vectors)
    space.derive("feature.loads_per_kilo", total([points, vectors]) * 1000 // (points * vectors))
    taps = multiplied_per_kilo(poster)
    if taps is not None:
        space.derive("feature.taps_per_kilo", taps)
    costs = template.accelerator.estimate
    if all(name in costs for name in _COSTS):
        broadcast, vector, call = (costs[name] for name in _COSTS)
        loads = total([broadcast * points, vector * vectors]) * 1000 // (points * vectors)
        work = const(1000) if taps is None else Var("feature.taps_per_kilo")
        space.derive("feature.cost_per_kilo", work * (1000 * call + loads) // (1000 * call))


def _weight(einsum: Einsum, tiles: dict[str, Expression]) -> Expression:
    moved = einsum.weight.names()
    return product(
        [
            const(1),
            *(tiles[axis.name] for axis in einsum.axes if any(part.name in moved for part in axis.parts)),
        ]
    )
