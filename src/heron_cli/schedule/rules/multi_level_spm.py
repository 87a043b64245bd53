"""S2, multi-level SPM: an operand held in several memories is copied from each into the next."""

from __future__ import annotations

from heron_cli.schedule.primitives import Hold
from heron_cli.schedule.rules.base import ScheduleRule
from heron_cli.schedule.rules.multi_scope_spm import fill_level
from heron_cli.schedule.template import Template


class MultiLevelSpm(ScheduleRule):
    """Records a chain of holds, far to near, for operands that more than one memory holds."""

    name = "S2 multi-level SPM"

    def _chains(self, template: Template) -> dict[str, list[str]]:
        chains: dict[str, list[str]] = {}
        for memory in template.accelerator.memories:
            for operand in memory.holds:
                if operand in template.operands:
                    chains.setdefault(operand, []).append(memory.name)
        return {operand: chain for operand, chain in chains.items() if len(chain) > 1}

    def unless(self, template: Template) -> str | None:
        """There must be such an operand."""
        return None if self._chains(template) else "no operand is held in more than one memory"

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """One hold per memory of each chain."""
        chains = self._chains(template)
        holds = [
            Hold(operand, memory, fill_level(template, operand, memory))
            for operand, chain in chains.items()
            for memory in chain
        ]
        return template.add(*holds), "; ".join(f"{op}: {' → '.join(chain)}" for op, chain in chains.items())
