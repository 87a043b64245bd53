"""Fused epilogue: what happens to a sum before it is written happens where the sum is."""

from __future__ import annotations

from heron_cli.schedule.rules.base import ScheduleRule, UnsupportedError
from heron_cli.schedule.template import Template

_MARKS = ("bias", "residual", "output")


class FuseEpilogue(ScheduleRule):
    """Checks that there is a place for it; records nothing, since the einsum says what is to be done.

    A place is a memory that holds what comes after the sum (bias, residual or output), and one for every
    operand that the epilogue reads. Elsewhere sums leave the registers as they are.
    """

    name = "fuse epilogue"

    def unless(self, template: Template) -> str | None:
        """Raises UnsupportedError when the accelerator has no place for the epilogue."""
        einsum, accelerator = template.einsum, template.accelerator
        stores = template.tensorize.intrinsic.dtypes.output
        if stores is not None and einsum.output.dtype != stores:
            raise UnsupportedError(f"{accelerator.name} stores {stores}; asked for {einsum.output.dtype}")
        if not einsum.epilogue:
            return "sums are written as they are"
        held = {each for memory in accelerator.memories for each in (*memory.holds, *memory.implicit)}
        asked = _text(template)
        if not held & set(_MARKS):
            raise UnsupportedError(
                f"{accelerator.name} computes {einsum.accumulate} outputs; the asked epilogue ({asked}) "
                "is not generated for it"
            )
        homeless = [access.name for access in einsum.finishing if access.name not in held]
        if homeless:
            raise UnsupportedError(
                f"no memory of {accelerator.name} holds {' or '.join(homeless)}, "
                f"which the asked epilogue ({asked}) reads"
            )
        return None

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """Nothing but a note."""
        return template, _text(template)


def _text(template: Template) -> str:
    einsum = template.einsum
    return ", ".join(
        f"cast to {einsum.output.dtype}" if op.kind == "cast" else str(op) for op in einsum.epilogue
    )
