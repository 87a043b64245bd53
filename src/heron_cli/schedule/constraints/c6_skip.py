"""C6: leaving out padded taps needs one point per tile on every padded axis that is tested at run time."""

from __future__ import annotations

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.nest import SKIP
from heron_cli.space import Boolean, Var, any_of, at_most, different, equal, minimum, product


class SkippedTaps(ConstraintRule):
    """The innermost padded window is unrolled by tile; other padded axes are tested in their tap's loop."""

    name = "C6 skipped taps"

    def post(self, poster: Poster) -> None:
        """Post the conditions of the place `skip`."""
        template, place = poster.template, poster.template.place
        if place is None or SKIP not in place.positions:
            return
        index = place.positions.index(SKIP)
        chosen = Var(f"place.{place.stage}") if len(place.positions) > 1 else None
        edge = template.einsum.static_edge()
        for i in template.einsum.outside():
            dim = template.einsum.input.dims[i]
            if edge is not None and dim == edge.dim:
                continue
            for name, _ in dim.terms:
                axis = template.einsum.axis(name)
                if axis.group != "k":
                    condition: Boolean = equal(poster.factor(template.split(name).inner, name), 1)
                    if chosen is not None:
                        condition = any_of(different(chosen, index), condition)
                    poster.space.require(
                        f"{self.name} {name}",
                        condition,
                        f"axis {name}",
                        f"taps of {name} are left out for a whole tile, so a tile holds one {name}",
                    )
        if edge is None:
            return
        limit = template.accelerator.limits.get("unrolled")
        if limit is None:
            return
        split = template.split(edge.axis)
        inner = [level.name for level in template.accelerator.levels if level.unroll]
        tile = product([poster.factor(level, axis.name) for level in inner for axis in template.einsum.axes])
        bodies = minimum(3, poster.factors(split.levels[-2], [edge.axis]))
        code = poster.space.derive("skip.instructions", tile * bodies * template.einsum.axis(edge.tap).extent)
        condition = at_most(code, limit)
        if chosen is not None:
            condition = any_of(different(chosen, index), condition)
        poster.space.require(
            f"{self.name} code",
            condition,
            template.accelerator.where("limits.unrolled"),
            f"every tap of {edge.tap} and every edge of {edge.axis} has a body of its own",
        )
