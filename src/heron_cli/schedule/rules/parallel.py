"""Levels that the YAML binds to parallel hardware become one fused loop."""

from __future__ import annotations

from heron_cli.schedule.primitives import Bind
from heron_cli.schedule.rules.base import ScheduleRule
from heron_cli.schedule.template import Template


class Parallel(ScheduleRule):
    """Records the binding of each bound level."""

    name = "parallel"

    def unless(self, template: Template) -> str | None:
        """There must be a bound level."""
        bound = any(level.bind for level in template.accelerator.levels)
        return None if bound else "no level is bound to parallel hardware"

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """One binding a level."""
        binds = [
            Bind(level.name, level.bind, level.at_most)
            for level in template.accelerator.levels
            if level.bind is not None
        ]
        what = ", ".join(f"{bind.level} to {bind.kind}" for bind in binds)
        return template.add(*binds), f"{what}, {template.threads} thread{'s' * (template.threads > 1)}"
