"""Caches are asked ahead of need: for weights that stream by, and for lines that are about to be written."""

from __future__ import annotations

from heron_cli.schedule.primitives import Prefetch
from heron_cli.schedule.rules.base import ScheduleRule
from heron_cli.schedule.template import Template


class PrefetchOperands(ScheduleRule):
    """Records the distances to try for each operand under the YAML's `prefetch`."""

    name = "prefetch"

    def unless(self, template: Template) -> str | None:
        """There must be one, and lanes that lie side by side where it is the output."""
        if not template.accelerator.prefetch:
            return "nothing is prefetched"
        return None if self._found(template) else "the output's lanes are stored one by one"

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """One primitive an operand."""
        found = self._found(template)
        told = (f"{each.operand}: {'/'.join(map(str, each.distances))}" for each in found)
        return template.add(*found), ", ".join(told)

    def _found(self, template: Template) -> list[Prefetch]:
        lane = template.tensorize.axes["n"]
        scattered = lane is None or template.einsum.output.stride(lane) != 1
        return [
            Prefetch(operand, distances)
            for operand, distances in template.accelerator.prefetch.items()
            if operand != "output" or not scattered
        ]
