"""Padding and layout of the input: copied at a place that a knob chooses, or padded taps left out."""

from __future__ import annotations

from heron_cli.schedule.nest import ROOT, SKIP
from heron_cli.schedule.primitives import Place
from heron_cli.schedule.rules.base import NotApplicableError, ScheduleRule
from heron_cli.schedule.template import Template

STAGE = "pad"


class PlaceInput(ScheduleRule):
    """Records where the input may be copied; the YAML's `stages: {pad: {at: …}}` lists the legal places."""

    name = "place the input"

    def unless(self, template: Template) -> str | None:
        """Nothing is copied when every access lies in the data and the intrinsic finds its axis trailing."""
        held = next((hold.memory for hold in template.holds if hold.operand == "input"), None)
        if held is not None:
            return f"what fills {held} pads and lays out the input"
        return None if self._needs(template) else "the input is read where it lies"

    def _needs(self, template: Template) -> list[str]:
        einsum = template.einsum
        names = [", ".join(term for term, _ in einsum.input.dims[i].terms) for i in einsum.outside()]
        needs = [f"padding on {' and '.join(names)}"] if names else []
        trailing = template.tensorize.trailing
        if trailing is not None and einsum.input.stride(trailing) != 1:
            needs.append(f"{trailing} does not trail")
        return needs

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """Record the positions."""
        needs = self._needs(template)
        spec = template.accelerator.stages.get(STAGE)
        if spec is None:
            raise NotApplicableError(
                f"the input needs a copy ({'; '.join(needs)}), and {template.accelerator.name} places none"
            )
        positions: list[str] = []
        for place in spec.at:
            if place == ROOT:
                positions.append(ROOT)
            elif place == SKIP:
                positions += [SKIP] if self._skippable(template) else []
            else:
                positions += template.within(place)
        if not positions:
            raise NotApplicableError(f"the input needs a copy ({'; '.join(needs)}), and no place is legal")
        return template.add(Place(STAGE, tuple(positions), "; ".join(needs))), f"{'; '.join(needs)}: at " + (
            ", ".join(positions)
        )

    def _skippable(self, template: Template) -> bool:
        """Taps can be left out where the input is else read as it lies and only spatial edges are padded.

        An intrinsic of several rows multiplies all of them. Where lanes are a batch, the intrinsic's own taps
        are left out one by one, if they are among those of which each tile knows what is padding.
        """
        einsum, tensorize = template.einsum, template.tensorize
        group, trailing = tensorize.axes["k"], tensorize.trailing
        if tensorize.shape.get("m", 1) > 1:
            return False
        if group is None or trailing is None or einsum.input.stride(trailing) != 1:
            return False
        known = [edge.dim for edge in template.static_edges if tensorize.batched and edge.tap == group]
        padded = [dim for i in einsum.outside() if (dim := einsum.input.dims[i]).coefficient(group)]
        return all(dim in known for dim in padded)
