"""Blocks that stay: as many as the machine holds; each computes many tiles, and fetches ahead."""

from __future__ import annotations

from heron_cli.schedule.nest import DIRECT
from heron_cli.schedule.primitives import Stay, Store
from heron_cli.schedule.rules.base import ScheduleRule
from heron_cli.schedule.template import Template


class StayingBlocks(ScheduleRule):
    """Records the numbers of teams to try for each level with `teams`."""

    name = "stay"

    def unless(self, template: Template) -> str | None:
        """Copies must run ahead of what is multiplied, and results must leave the stages alone."""
        if not any(len(level.teams) > 1 for level in template.accelerator.levels):
            return "a block computes one tile"
        if template.filled_by != "bulk":
            return "the threads that multiply copy, so nothing runs ahead of them"
        if not any(DIRECT in store.kinds for store in template.all(Store)):
            return "results are staged where the next tile's operands would arrive"
        if "processors" not in template.accelerator.limits:
            return "limits.processors does not say how many blocks there should be"
        return None

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """One primitive a level."""
        found = [
            Stay(level.name, level.teams) for level in template.accelerator.levels if len(level.teams) > 1
        ]
        what = ", ".join(f"{each.level}: {'/'.join(map(str, each.teams))} teams" for each in found)
        return template.add(*found), what
