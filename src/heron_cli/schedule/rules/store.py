"""Results that nobody reads soon may leave past the caches, which spares reading their lines first."""

from __future__ import annotations

from math import gcd

from heron_cli.elements import BYTES
from heron_cli.schedule.primitives import Store
from heron_cli.schedule.rules.base import ScheduleRule
from heron_cli.schedule.template import Template

_LINE = 64  # bytes; operands begin on one


class StoreResults(ScheduleRule):
    """Records the ways to store that the YAML lists, where every vector of results fills whole lines."""

    name = "store"

    def unless(self, template: Template) -> str | None:
        """There must be a choice, and no line that is written in parts."""
        if len(template.accelerator.stores) == 1:
            return f"there is one way: {template.accelerator.stores[0]}"
        output, lane = template.einsum.output, template.tensorize.axes["n"]
        if lane is None or output.stride(lane) != 1:
            return "the output's lanes are stored one by one"
        width = template.split(lane).unit
        strides = (output.stride(name) for name in output.names() if name != lane)
        apart = gcd(width, template.einsum.axis(lane).extent, output.offset(), *strides)
        if apart != width or width * BYTES[output.dtype] % _LINE:
            return "vectors of the output do not fill whole lines"
        return None

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """One primitive."""
        return template.add(Store(template.accelerator.stores)), " or ".join(template.accelerator.stores)
