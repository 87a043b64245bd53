"""The weight is packed into the order in which the loops read it: in advance where it is constant."""

from __future__ import annotations

from heron_cli.accelerator.words import PACK
from heron_cli.schedule.nest import ROOT
from heron_cli.schedule.primitives import Pack
from heron_cli.schedule.rules.base import NotApplicableError, ScheduleRule
from heron_cli.schedule.template import Template

STAGE = PACK


class PackWeight(ScheduleRule):
    """A function that packs a constant is part of the kernel's contract and is exported with it.

    What is not constant is packed inside the kernel where the YAML's `stages` has a place for that.
    """

    name = "pack the weight"

    def unless(self, template: Template) -> str | None:
        """Raises NotApplicableError for a weight that nothing can lay out."""
        if template.einsum.weight.constant or STAGE in template.accelerator.stages:
            return None
        if template.accelerator.gathers:
            return "the weight is not constant; it is gathered from where it lies"
        held = next((hold.memory for hold in template.holds if hold.operand == "weight"), None)
        if held is not None:
            return f"what fills {held} lays it out"
        raise NotApplicableError(
            f"the weight is not constant, and {template.accelerator.name} has no stage '{STAGE}' to pack it"
        )

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """Record the packing."""
        if template.einsum.weight.constant:
            return template.add(Pack("weight")), "weight in reading order, in advance"
        places = template.accelerator.stages[STAGE].at if STAGE in template.accelerator.stages else (ROOT,)
        found = [[ROOT] if place == ROOT else template.within(place) for place in places]
        positions = [position for each in found for position in each]
        if not positions:
            raise NotApplicableError(f"the weight is packed by every call, and no place of {STAGE} is legal")
        said = f"weight in reading order, by every call: at {', '.join(positions)}"
        return template.add(Pack("weight", False, tuple(positions))), said
