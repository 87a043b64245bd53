"""Constant operands are packed in advance into the order in which the loops read them."""

from __future__ import annotations

from heron_cli.schedule.primitives import Pack
from heron_cli.schedule.rules.base import NotApplicableError, ScheduleRule
from heron_cli.schedule.template import Template


class PackConstant(ScheduleRule):
    """The pack function becomes part of the kernel's contract and is exported with it."""

    name = "pack constants"

    def unless(self, template: Template) -> str | None:
        """The intrinsic reads the weight in a layout of its own: that of its memory, or it is constant."""
        if not template.einsum.weight.constant and template.accelerator.gathers:
            return "the weight is not constant; it is gathered from where it lies"
        if not template.einsum.weight.constant:
            held = next((hold.memory for hold in template.holds if hold.operand == "weight"), None)
            if held is not None:
                return f"what fills {held} lays out the weight"
            raise NotApplicableError("the weight is not constant, and packing at run time is not generated")
        return None

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """Record the packing."""
        return template.add(Pack("weight")), "weight in reading order"
