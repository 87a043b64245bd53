"""Blocks that run on one processor at once hide each other's waiting, and share its registers and memory."""

from __future__ import annotations

from heron_cli.schedule.primitives import Resident
from heron_cli.schedule.rules.base import ScheduleRule
from heron_cli.schedule.template import Template


class ResidentBlocks(ScheduleRule):
    """Records the counts to try for each level with `resident`."""

    name = "resident blocks"

    def unless(self, template: Template) -> str | None:
        """There must be a choice."""
        found = any(len(level.resident) > 1 for level in template.accelerator.levels)
        return None if found else "a processor is given one block at a time to plan for"

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """One primitive a level."""
        found = [Resident(each.name, each.resident) for each in template.accelerator.levels if len(each.resident) > 1]
        return template.add(*found), ", ".join(f"{each.level}: {'/'.join(map(str, each.counts))}" for each in found)
