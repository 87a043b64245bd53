"""The weight is packed into the order in which the loops read it: in advance where it is constant."""

from __future__ import annotations

from heron_cli.schedule.primitives import Pack
from heron_cli.schedule.rules.base import NotApplicableError, ScheduleRule
from heron_cli.schedule.template import Template

STAGE = "pack"


class PackWeight(ScheduleRule):
    """A function that packs a constant is part of the kernel's contract and is exported with it.

    What is not constant is packed inside the kernel where the YAML's `stages` has a place for that.
    """

    name = "pack the weight"

    def unless(self, template: Template) -> str | None:
        """Raises NotApplicableError for a weight that nothing can lay out."""
        if template.einsum.weight.constant or STAGE in template.accelerator.stages:
            return None
        held = next((hold.memory for hold in template.holds if hold.operand == "weight"), None)
        if held is not None:
            return f"what fills {held} lays it out"
        raise NotApplicableError(
            f"the weight is not constant, and {template.accelerator.name} has no stage '{STAGE}' to pack it"
        )

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """Record the packing."""
        in_advance = template.einsum.weight.constant
        when = "in advance" if in_advance else "by every call"
        return template.add(Pack("weight", in_advance)), f"weight in reading order, {when}"
