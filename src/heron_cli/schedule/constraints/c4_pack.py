"""C4 for a weight that every call packs: no serial loop around the packing repeats it."""

from __future__ import annotations

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.nest import ROOT
from heron_cli.schedule.template import PACKED
from heron_cli.space import Var, any_of, different, equal


class PackOnce(ConstraintRule):
    """Loops that do not move the weight run inside its packing; those of a bound level may share the work."""

    name = "C4 pack"

    def post(self, poster: Poster) -> None:
        """Post a condition for every place in a serial level."""
        template, pack = poster.template, poster.template.pack
        if pack is None or len(pack.positions) == 1:
            return
        einsum, lane = template.einsum, template.tensorize.lane
        for index, position in enumerate(pack.positions):
            level = position.partition(".")[0]
            if position == ROOT or template.accelerator.level(level).bind is not None:
                continue
            elsewhere, inside = different(Var(PACKED), index), poster.inside(position)
            for axis in einsum.spatial:
                if axis.name == lane or einsum.moves(axis, einsum.weight):
                    continue
                whole = poster.tile(axis.name, poster.below(level))
                poster.space.require(
                    f"{self.name} {axis.name}",
                    any_of(elsewhere, equal(inside[axis.name], whole)),
                    template.accelerator.where("stages.pack"),
                    f"packing at {position} inside loops over {axis.name} would be repeated by them",
                )
