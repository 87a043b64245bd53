"""How results leave: past the caches, where nobody reads them soon; straight from registers, in pieces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import gcd

from heron_cli.elements import BYTES
from heron_cli.schedule.einsum import Access
from heron_cli.schedule.nest import DIRECT, STREAMED
from heron_cli.schedule.primitives import Store
from heron_cli.schedule.rules.base import ScheduleRule
from heron_cli.schedule.template import Template

_LINE = 64  # bytes; operands begin on one
_PIECE = 8  # neighbouring results that a thread writes at once


class StoreResults(ScheduleRule):
    """Records the ways to store that the YAML lists and that suit the output."""

    name = "store"

    def unless(self, template: Template) -> str | None:
        """There must be a choice that the output leaves."""
        asked = template.accelerator.stores
        if len(asked) == 1:
            return f"there is one way: {asked[0]}"
        if len(_possible(template)) > 1:
            return None
        return next(why for kind in asked if (why := _obstacle(kind, template)))

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """One primitive."""
        kinds = _possible(template)
        return template.add(Store(kinds)), " or ".join(kinds)


def _possible(template: Template) -> tuple[str, ...]:
    return tuple(kind for kind in template.accelerator.stores if not _obstacle(kind, template))


def _obstacle(kind: str, template: Template) -> str:
    """Why results cannot leave so; empty if they can."""
    return _OBSTACLES[kind](template) if kind in _OBSTACLES else ""


def _parts_of_lines(template: Template) -> str:
    """Streamed: no line may be written in parts."""
    lane = template.tensorize.lane
    if lane is None or template.einsum.output.stride(lane) != 1:
        return "the output's lanes are stored one by one"
    width = template.split(lane).unit
    if (
        _together(template, lane, template.einsum.output) % width
        or width * BYTES[template.einsum.output.dtype] % _LINE
    ):
        return "vectors of the output do not fill whole lines"
    return ""


def _broken_pieces(template: Template) -> str:
    """Direct: neighbours along n must neighbour in the output, and none may be cropped."""
    einsum, lane = template.einsum, template.tensorize.lane
    if lane is None or einsum.output.stride(lane) != 1:
        return "neighbours in a warp's registers do not neighbour in the output"
    if any(dim.leaves(einsum.iterators) and dim.coefficient(lane) for dim in einsum.output.dims):
        return f"the output ends within the columns of {lane}"
    moving = [einsum.output, *(access for access in einsum.finishing if not access.constant)]
    if any(_together(template, lane, access) % _PIECE for access in moving):
        return f"rows of the output are no whole pieces of {_PIECE}"
    return ""


def _together(template: Template, lane: str, access: Access) -> int:
    """How many neighbours along an axis begin on a multiple of their count, wherever the other axes are."""
    strides = (dim.stride * c for dim in access.dims for name, c in dim.terms if name != lane)
    return gcd(template.einsum.axis(lane).extent, access.offset(), *strides)


_OBSTACLES: Mapping[str, Callable[[Template], str]] = {
    STREAMED: _parts_of_lines,
    DIRECT: _broken_pieces,
}
