"""Accumulators are initialised and written back in whole vectors of the intrinsic's n dimension."""

from __future__ import annotations

from heron_cli.accelerator.words import INTRINSIC
from heron_cli.schedule.primitives import Mark
from heron_cli.schedule.rules.base import ScheduleRule
from heron_cli.schedule.template import Template


class Vectorize(ScheduleRule):
    """Records a vectorize mark for the lanes when they are contiguous in the output."""

    name = "vectorize"

    def unless(self, template: Template) -> str | None:
        """The lanes must trail in the output."""
        lane = template.tensorize.lane
        if lane is None:
            return "the intrinsic has a single lane"
        stride = template.einsum.output.stride(lane)
        return None if stride == 1 else f"{lane} does not trail in the output: lanes are stored one by one"

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """One mark."""
        return template.add(Mark(INTRINSIC, "vectorize")), f"lanes of {template.tensorize.lane}"
