"""S3, multi-scope SPM: each operand gets its buffer in the memory that the YAML holds it in."""

from __future__ import annotations

from heron_cli.schedule.primitives import Hold, WriteBack
from heron_cli.schedule.rules.base import NotApplicableError, ScheduleRule
from heron_cli.schedule.template import Template


class MultiScopeSpm(ScheduleRule):
    """Records one hold for every operand that exactly one memory holds."""

    name = "S3 multi-scope SPM"

    def _single(self, template: Template) -> list[tuple[str, str]]:
        pairs = [
            (operand, memory.name)
            for memory in template.accelerator.memories
            for operand in memory.holds
            if operand in template.operands
        ]
        operands = [operand for operand, _ in pairs]
        return [(operand, memory) for operand, memory in pairs if operands.count(operand) == 1]

    def unless(self, template: Template) -> str | None:
        """There must be such an operand."""
        return None if self._single(template) else "no memory holds an operand by itself"

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """One hold per operand."""
        pairs = self._single(template)
        holds = [Hold(operand, memory, fill_level(template, operand, memory)) for operand, memory in pairs]
        return template.add(*holds), ", ".join(f"{operand} in {memory}" for operand, memory in pairs)


def fill_level(template: Template, operand: str, memory: str) -> str:
    """The level inside which a buffer lives: where the YAML fills it, or where sums are written back."""
    for level in template.accelerator.levels:
        if memory in level.fills or operand in level.fills:
            return level.name
    if operand not in ("input", "weight"):  # sums, and what is added to them, live as long as the sums
        return next(template.all(WriteBack)).level
    raise NotApplicableError(
        f"memory {memory} holds {operand}, but no level of {template.accelerator.name} fills it"
    )
