"""What a schedule rule is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from heron_cli.schedule.template import Applied, Template


class NotApplicableError(Exception):
    """A variant cannot be scheduled at all; the message says why."""


class UnsupportedError(NotApplicableError):
    """No variant can be scheduled, however the einsum is rewritten; the message says why."""


class ScheduleRule(ABC):
    """Reads einsum and accelerator and records primitives. Instances hold no state."""

    name: str

    @abstractmethod
    def unless(self, template: Template) -> str | None:
        """Why the rule does not apply here; None if it does.

        Raises NotApplicableError when nothing can be generated without it.
        """

    @abstractmethod
    def rewrite(self, template: Template) -> tuple[Template, str]:
        """The template with the rule's primitives, and one line that says what was done."""

    def run(self, template: Template) -> Template:
        """Apply the rule if it applies, and note what became of it."""
        reason = self.unless(template)
        if reason is not None:
            return template.noted(Applied(self.name, False, reason))
        after, what = self.rewrite(template)
        return after.noted(Applied(self.name, True, what))
