"""C2, loop fuse: the length of a fused, bound loop, and what the hardware takes."""

from __future__ import annotations

from math import prod

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.primitives import Bind
from heron_cli.space import any_of, at_least, at_most, equal, minimum, product

_PER_THREAD = 64


class LoopFuse(ConstraintRule):
    """The iterations of a bound level: every thread gets one where the work allows, none gets a flood. Of
    little work one thread may do all.
    """

    name = "C2 loop fuse"

    def post(self, poster: Poster) -> None:
        """Post every binding."""
        template, space = poster.template, poster.space
        for bind in template.all(Bind):
            level = template.accelerator.level(bind.level)
            fused = space.derive(
                f"{bind.level}.iterations", poster.factors(bind.level, template.axes_of(level))
            )
            where = template.accelerator.where(f"levels.{bind.level}")
            if bind.at_most is not None:
                what = f"level {bind.level} takes at most {bind.at_most} iterations"
                space.require(f"{self.name} {bind.level} limit", at_most(fused, bind.at_most), where, what)
            if bind.kind != "parallel" or template.threads == 1:
                continue
            axes = [axis.name for axis in template.einsum.spatial]
            every = product([poster.tiles(axis) for axis in axes])
            tiles = space.derive(f"{bind.level}.tiles", minimum(template.threads, every))
            why = f"{template.threads} threads share the iterations of {bind.level}"
            shared, each = at_least(fused, tiles), why
            calls = prod(template.split(axis.name).blocks for axis in template.einsum.axes)
            if calls <= template.accelerator.limits.get("single_thread_calls", 0):
                shared, each = any_of(equal(fused, 1), shared), f"{why}, or one does them all"
            space.require(f"{self.name} {bind.level}", shared, where, each)
            if bind.at_most is None:
                limit = _PER_THREAD * template.threads
                space.require(f"{self.name} {bind.level} limit", at_most(fused, limit), where, why)
