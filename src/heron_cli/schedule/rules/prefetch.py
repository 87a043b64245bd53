"""Caches are asked ahead of need: for weights that stream by, for lines that are about to be written, and for
the input of the next tile.
"""

from __future__ import annotations

from heron_cli.schedule.primitives import Prefetch
from heron_cli.schedule.rules.base import ScheduleRule
from heron_cli.schedule.template import Template


class PrefetchOperands(ScheduleRule):
    """Records the distances to try for each operand under the YAML's `prefetch`."""

    name = "prefetch"

    def unless(self, template: Template) -> str | None:
        """There must be an operand that is worth it."""
        if not template.accelerator.prefetch:
            return "nothing is prefetched"
        return None if self._found(template) else "no operand is worth it"

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """One primitive an operand."""
        found = self._found(template)
        told = (f"{each.operand}: {'/'.join(map(str, each.distances))}" for each in found)
        return template.add(*found), ", ".join(told)

    def _found(self, template: Template) -> list[Prefetch]:
        einsum, lane = template.einsum, template.tensorize.lane
        worth = {
            "weight": not template.tensorize.batched,  # a batch has few weights, which stay near
            "output": lane is not None and einsum.output.stride(lane) == 1,
            "input": any(einsum.moves(axis, einsum.input) for axis in einsum.spatial),
        }
        return [
            Prefetch(operand, distances)
            for operand, distances in template.accelerator.prefetch.items()
            if worth[operand]
        ]
