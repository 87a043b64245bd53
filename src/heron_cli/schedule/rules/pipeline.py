"""Levels that the YAML pipelines overlap the transfers of later iterations with the work of this one."""

from __future__ import annotations

from heron_cli.schedule.primitives import Pipeline
from heron_cli.schedule.rules.base import ScheduleRule
from heron_cli.schedule.template import Template


class SoftwarePipeline(ScheduleRule):
    """Records the depths to try for each level with `pipeline: {depth: …}`."""

    name = "pipeline"

    def unless(self, template: Template) -> str | None:
        """There must be such a level."""
        pipelined = any(level.pipeline for level in template.accelerator.levels)
        return None if pipelined else "no level is pipelined"

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """One primitive a level."""
        found = [
            Pipeline(level.name, level.pipeline) for level in template.accelerator.levels if level.pipeline
        ]
        what = ", ".join(f"{each.level} {'/'.join(map(str, each.depths))} deep" for each in found)
        return template.add(*found), what
