"""Bulk copies: where the machine has an engine that moves whole tiles, and the operands are such tiles."""

from __future__ import annotations

from heron_cli.elements import BYTES
from heron_cli.schedule.boxes import boxes
from heron_cli.schedule.rules.base import NotApplicableError, ScheduleRule
from heron_cli.schedule.template import Template


class BulkCopies(ScheduleRule):
    """Checks that every tile is a box or a column; records nothing, since the template says who copies."""

    name = "bulk copies"

    def unless(self, template: Template) -> str | None:
        """The variant must be one of bulk copies. Raises NotApplicableError where a tile cannot be copied."""
        if template.filled_by != "bulk":
            return "threads copy"
        einsum, tensorize = template.einsum, template.tensorize
        if tensorize.intrinsic.scope != "warpgroup":
            raise NotApplicableError(f"{tensorize.intrinsic.name} reads fragments, which its own threads copy")
        for dim, access in (("m", einsum.input), ("n", einsum.weight)):
            if access.constant:
                continue  # packed in boxes
            row, k = tensorize.axes[dim], tensorize.axes["k"]
            assert row is not None and k is not None
            found = boxes(einsum, access, row, k, BYTES[access.dtype])
            if isinstance(found, str):
                raise NotApplicableError(found)
        return None

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """Nothing but a note."""
        return template, "tiles of both operands arrive by bulk copies"
