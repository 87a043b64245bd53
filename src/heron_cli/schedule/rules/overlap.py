"""Calls that overlap: whether blocks that stay begin while the call before them ends is to be tried."""

from __future__ import annotations

from heron_cli.schedule.primitives import Overlap, Stay
from heron_cli.schedule.rules.base import ScheduleRule
from heron_cli.schedule.template import Template


class OverlappingCalls(ScheduleRule):
    """Records the levels where both is to be tried."""

    name = "overlap"

    def unless(self, template: Template) -> str | None:
        """There must be a choice, and blocks that stay: others always gain by beginning early."""
        tried = [level.overlap for level in template.accelerator.levels if True in level.overlap]
        if not tried:
            return "calls do not overlap"
        if all(len(each) == 1 for each in tried):
            return "all calls overlap"
        if not any(True for _ in template.all(Stay)):
            return "blocks do not stay, so calls overlap"
        return None

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """One primitive a level."""
        found = [Overlap(each.name) for each in template.accelerator.levels if len(each.overlap) > 1]
        return template.add(*found), ", ".join(each.level for each in found)
