"""C6: updates of one accumulator keep their distance, where the machine asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.primitives import Order
from heron_cli.space import Boolean, Expression, Var, all_of, at_least, const, equal, implies, product

LIMIT = "required_accumulator_distance"


class AccumulatorDistance(ConstraintRule):
    """For machines on which an update that comes too soon after the last one of its accumulator is lost.

    The distance in steps is what the spatial loops inside the innermost reduction loop iterate. Where close
    updates merely stall, the YAML asks for no distance, and the time says what they cost.
    """

    name = "C6 accumulator distance"

    def post(self, poster: Poster) -> None:
        """Require the distance where it is more than one step."""
        template = poster.template
        required = template.accelerator.limits.get(LIMIT, 1)
        orders = list(template.all(Order))
        if required == 1 or not orders:
            return
        order = orders[-1]
        kept = [
            implies(all_of(*chosen, at_least(poster.factor(order.level, axis), 2)), at_least(inside, required))
            for chosen, candidate in _choices(order)
            for axis, inside in _inside(poster, order.level, candidate)
        ]
        poster.space.require(
            self.name,
            all_of(*kept),
            template.accelerator.where(f"limits.{LIMIT}"),
            f"{required} steps lie between two updates of one accumulator",
        )


def _choices(order: Order) -> Iterator[tuple[list[Boolean], tuple[str, ...]]]:
    """The loop orders of a level, and when each is chosen."""
    for index, candidate in enumerate(order.candidates):
        alone = len(order.candidates) == 1
        yield [] if alone else [equal(Var(f"order.{order.level}"), index)], candidate


def _inside(poster: Poster, level: str, candidate: Sequence[str]) -> Iterator[tuple[str, Expression]]:
    """Every reduction loop, and the iterations of the spatial loops inside it."""
    groups = {axis.name: axis.group for axis in poster.template.einsum.axes}
    for i, axis in enumerate(candidate):
        if groups[axis] == "k":
            spatial = [name for name in candidate[i + 1 :] if groups[name] != "k"]
            yield axis, product([const(1), *(poster.factor(level, name) for name in spatial)])
