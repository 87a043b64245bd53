"""Always-inline: stages that only shift their input are part of its index (done by the analysis)."""

from __future__ import annotations

from heron_cli.schedule.rules.base import ScheduleRule
from heron_cli.schedule.template import Template


class AlwaysInline(ScheduleRule):
    """Reports the stages that the analysis and the rewrites removed."""

    name = "always-inline"

    def unless(self, template: Template) -> str | None:
        """There must have been something to remove."""
        return None if template.einsum.applied else "the operator has no stage but the sum"

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """Nothing is left to do."""
        return template, "; ".join(template.einsum.applied)
