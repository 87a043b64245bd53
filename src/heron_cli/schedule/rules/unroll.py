"""Levels that the YAML unrolls are emitted as straight code."""

from __future__ import annotations

from heron_cli.schedule.primitives import Mark
from heron_cli.schedule.rules.base import ScheduleRule
from heron_cli.schedule.template import Template


class Unroll(ScheduleRule):
    """Records an unroll mark for every level with `unroll: true`."""

    name = "unroll"

    def unless(self, template: Template) -> str | None:
        """There must be such a level."""
        return None if any(level.unroll for level in template.accelerator.levels) else "no level is unrolled"

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """One mark a level."""
        names = [level.name for level in template.accelerator.levels if level.unroll]
        return template.add(*(Mark(name, "unroll") for name in names)), ", ".join(names)
