"""Transfers into scratch-pads pad on the fly: what their fields cannot express is refused here."""

from __future__ import annotations

from math import prod

from heron_cli.schedule.rules.base import NotApplicableError, ScheduleRule
from heron_cli.schedule.template import Template

_PADDED = 2  # rows and columns


class Fill(ScheduleRule):
    """Checks padding against the YAML's limits; records nothing, since the holds say what is filled."""

    name = "fill scratch-pads"

    def unless(self, template: Template) -> str | None:
        """The input must be held in a memory. Raises NotApplicableError when no transfer can pad it."""
        hold = next((hold for hold in template.holds if hold.operand == "input"), None)
        if hold is None:
            return "no memory holds the input"
        if template.accelerator.gathers:
            return "threads gather single elements, with zeros outside the data"
        einsum, limits = template.einsum, template.accelerator.limits
        if "pad" in limits:
            self._check_others(template)
        padded = template.padded_fills()
        if len(padded) > _PADDED:
            raise NotApplicableError(
                f"{len(padded)} padded dimensions; a transfer pads rows and columns only"
            )
        most = limits.get("pad")
        for dim in padded:
            low, high = dim.span(einsum.extents)
            pad = max(-low, high - dim.extent + 1)
            if most is not None and pad > most:
                where = template.accelerator.where("limits.pad")
                names = ", ".join(name for name, _ in dim.terms)
                raise NotApplicableError(
                    f"padding of {pad} on {names}; a transfer pads at most {most} ({where})"
                )
        self._check_rows(template)
        return None

    def _check_others(self, template: Template) -> None:
        """Transfers with a field for padding walk other operands forwards, inside their data."""
        blocked = {axis for axis in template.tensorize.axes.values() if axis is not None}
        extents = template.einsum.iterators
        for access in (template.einsum.weight, template.einsum.output):
            for dim in access.dims:
                names = [name for name, _ in dim.terms]
                if blocked & set(names):  # packed whole
                    continue
                if dim.leaves(extents) or any(c < 0 for _, c in dim.terms):
                    raise NotApplicableError(
                        f"{access.name} is read or written outside of its data or backwards on "
                        f"{', '.join(names)}; transfers walk it forwards and pad the input only"
                    )

    def _check_rows(self, template: Template) -> None:
        """What is padded must be the rows or the columns of a transfer, and the rows within its stride.

        Blocks and batches lie outside all other dimensions of packed data.
        """
        padded, limits = template.padded_fills(), template.accelerator.limits
        outer = {axis for axis in template.tensorize.axes.values() if axis is not None}
        outer |= {axis.name for axis in template.einsum.group("batch")}
        dims = [d for d in template.einsum.input.dims if not outer & {name for name, _ in d.terms}]
        moving = [dim for dim in dims if dim.extent > 1 or dim in padded]
        for dim in padded:
            names = ", ".join(name for name, _ in dim.terms)
            if dim not in moving[-_PADDED:]:
                raise NotApplicableError(
                    f"padding on {names}, outside the two innermost dimensions of the input; "
                    "a transfer pads rows and columns only"
                )
            apart = prod(inner.extent for inner in dims[dims.index(dim) + 1 :])
            if apart > limits.get("dma_elements", apart):
                where = template.accelerator.where("limits.dma_elements")
                raise NotApplicableError(
                    f"padding on {names}, whose rows are {apart:,} elements apart; a transfer reaches "
                    f"{limits['dma_elements']:,} ({where})"
                )

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """Nothing but a note."""
        padded = len(template.padded_fills())
        return template, f"transfers pad {padded} dimension{'s' * (padded != 1)} of the input"
