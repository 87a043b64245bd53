"""C6: updates of one accumulator keep their distance, where the machine asks for it."""

from __future__ import annotations

from collections.abc import Iterator

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.primitives import Order
from heron_cli.space import (
    Boolean,
    Expression,
    Var,
    all_of,
    at_least,
    const,
    equal,
    implies,
    minimum,
    product,
    select,
)

REQUIRED, STALLING = "required_accumulator_distance", "accumulator_distance"
DISTANCE = "program.accumulator_distance"


class AccumulatorDistance(ConstraintRule):
    """Steps between two updates of one accumulator: the spatial loops inside the innermost reduction loop.

    `limits.required_accumulator_distance` makes a short distance illegal, `limits.accumulator_distance` says
    how long it stalls. The distance, up to the larger of the two, is derived for the cost model as well.
    """

    name = "C6 accumulator distance"

    def post(self, poster: Poster) -> None:
        """Derive the distance; require it where the YAML does."""
        limits = poster.template.accelerator.limits
        required = limits.get(REQUIRED, 0)
        most = max(required, limits.get(STALLING, 0))
        orders = list(poster.template.all(Order))
        if not most or not orders:
            return
        order = orders[-1]
        cases = [minimum(most, *_distances(poster, order.level, c, most)) for c in order.candidates]
        poster.space.derive(DISTANCE, cases[0] if len(cases) == 1 else select(_knob(order), cases))
        if required > 1:
            poster.space.require(
                self.name,
                all_of(*(part for i, c in enumerate(order.candidates) for part in
                         _kept(poster, order, c, i, required))),
                poster.template.accelerator.where(f"limits.{REQUIRED}"),
                f"{required} steps lie between two updates of one accumulator",
            )  # fmt: skip


def _knob(order: Order) -> Var:
    return Var(f"order.{order.level}")


def _inside(poster: Poster, level: str, candidate: tuple[str, ...]) -> Iterator[tuple[str, Expression]]:
    """Every reduction loop, and the iterations of the spatial loops inside it."""
    groups = {axis.name: axis.group for axis in poster.template.einsum.axes}
    for i, axis in enumerate(candidate):
        if groups[axis] == "k":
            spatial = [name for name in candidate[i + 1 :] if groups[name] != "k"]
            yield axis, product([const(1), *(poster.factor(level, name) for name in spatial)])


def _distances(poster: Poster, level: str, candidate: tuple[str, ...], most: int) -> Iterator[Expression]:
    """By reduction loop, the distance, or at least `most` where the loop has one iteration."""
    for axis, inside in _inside(poster, level, candidate):
        yield inside + most * (const(1) // poster.factor(level, axis))


def _kept(
    poster: Poster, order: Order, candidate: tuple[str, ...], index: int, required: int
) -> Iterator[Boolean]:
    """With an order, each reduction loop of two or more iterations has enough inside it."""
    for axis, inside in _inside(poster, order.level, candidate):
        chosen = [equal(_knob(order), index)] if len(order.candidates) > 1 else []
        looped = at_least(poster.factor(order.level, axis), 2)
        yield implies(all_of(*chosen, looped), at_least(inside, required))
