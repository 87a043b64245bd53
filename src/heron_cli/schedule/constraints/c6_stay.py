"""C6: blocks that stay have more than one tile to compute, and results that leave the stages alone."""

from __future__ import annotations

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.nest import DIRECT
from heron_cli.schedule.primitives import Bind, Stay
from heron_cli.space import any_of, at_least, const, equal, product


class StayingTiles(ConstraintRule):
    """For templates whose blocks may compute many tiles."""

    name = "C6 stay"

    def post(self, poster: Poster) -> None:
        """Post the way of results and the least number of tiles."""
        template, space = poster.template, poster.space
        stay = next(template.all(Stay), None)
        if stay is None:
            return
        alone = equal(poster.teams, 0)
        where = template.accelerator.where(f"levels.{stay.level}.teams")
        space.require(
            f"{self.name} {stay.level} results",
            any_of(alone, equal(poster.by_store(DIRECT, 1, 0), 1)),
            where,
            "operands of the next tile arrive where results would be staged",
        )
        axes = [axis.name for axis in template.einsum.axes]
        bound = [bind.level for bind in template.all(Bind) if bind.kind in ("blockIdx.x", "cluster")]
        blocks = product([const(1), *(poster.factors(level, axes) for level in bound)])
        held = poster.resident * template.accelerator.limits["processors"]
        space.require(
            f"{self.name} {stay.level} tiles",
            any_of(alone, at_least(blocks, held + 1)),
            where,
            "each block has a tile from the start; to stay is for those that have more",
        )
