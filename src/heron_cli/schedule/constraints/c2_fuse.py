"""C2, loop fuse: the length of a fused, bound loop, and what the hardware takes."""

from __future__ import annotations

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.primitives import Bind
from heron_cli.space import at_least, at_most, minimum

_PER_THREAD = 64


class LoopFuse(ConstraintRule):
    """The iterations of a bound level: every thread gets one where the work allows, none gets a flood."""

    name = "C2 loop fuse"

    def post(self, poster: Poster) -> None:
        """Post every binding."""
        template, space = poster.template, poster.space
        for bind in template.all(Bind):
            level = template.accelerator.level(bind.level)
            fused = space.derive(
                f"{bind.level}.iterations", poster.factors(bind.level, template.axes_of(level))
            )
            if bind.kind != "parallel" or template.threads == 1:
                continue
            tiles = space.derive(
                f"{bind.level}.tiles",
                minimum(
                    template.threads,
                    poster.factors("cache", [a.name for a in template.einsum.spatial]) * fused,
                ),
            )
            where = template.accelerator.where(f"levels.{bind.level}")
            why = f"{template.threads} threads share the iterations of {bind.level}"
            space.require(f"{self.name} {bind.level}", at_least(fused, tiles), where, why)
            limit = bind.at_most or _PER_THREAD * template.threads
            space.require(f"{self.name} {bind.level} limit", at_most(fused, limit), where, why)
