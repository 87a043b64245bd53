"""C6: an instruction iterates two loops; the others of a tile are unrolled into micro-ops, which must fit."""

from __future__ import annotations

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.primitives import Order
from heron_cli.space import Var, at_most, product, select

_MEMORY = "uop"
_ITERATED = 2


class MicroOps(ConstraintRule):
    """For machines with a memory of micro-ops; which loops are unrolled follows from the innermost order."""

    name = "C6 micro-ops"

    def post(self, poster: Poster) -> None:
        """Post the bound on the unrolled iterations."""
        template = poster.template
        memory = next((m for m in template.accelerator.memories if m.name == _MEMORY), None)
        orders = list(template.all(Order))
        if memory is None or not orders:
            return
        order = orders[-1]
        cases = [
            product([poster.factor(order.level, axis) for axis in candidate[_ITERATED:]])
            for candidate in order.candidates
        ]
        unrolled = cases[0] if len(cases) == 1 else select(Var(f"order.{order.level}"), cases)
        poster.space.require(
            self.name,
            at_most(poster.space.derive("program.micro_ops", unrolled), memory.units["vectors"]),
            template.accelerator.where(f"memories.{memory.name}.capacity"),
            f"all but the two outermost loops of {order.level} are unrolled into micro-ops",
        )
        self._fields(poster, order.level)

    def _fields(self, poster: Poster, level: str) -> None:
        """Each iterated loop fits its field; loops are joined only as far as they do. Sums are one loop."""
        limit = poster.template.accelerator.limits.get("iterations")
        if limit is None:
            return
        einsum = poster.template.einsum
        each = [poster.factor(level, axis.name) for axis in einsum.reduction]
        for count in (*each, poster.factors(level, [axis.name for axis in einsum.spatial])):
            poster.space.require(
                f"{self.name} iterations",
                at_most(count, limit),
                poster.template.accelerator.where("limits.iterations"),
                "the fields of an instruction count the iterations of its two loops",
            )
