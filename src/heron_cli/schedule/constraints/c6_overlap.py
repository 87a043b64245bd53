"""C6: blocks that compute one tile begin while the call before them ends."""

from __future__ import annotations

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.primitives import Overlap
from heron_cli.space import Var, any_of, at_least, equal


class OverlappingBlocks(ConstraintRule):
    """For templates that leave it open whether calls overlap."""

    name = "C6 overlap"

    def post(self, poster: Poster) -> None:
        """Post that only blocks that stay may begin late."""
        for overlap in poster.template.all(Overlap):
            poster.space.require(
                f"{self.name} {overlap.level}",
                any_of(equal(Var(f"overlap.{overlap.level}"), 1), at_least(poster.teams, 1)),
                poster.template.accelerator.where(f"levels.{overlap.level}.overlap"),
                "blocks that do not stay were never faster for beginning late",
            )
