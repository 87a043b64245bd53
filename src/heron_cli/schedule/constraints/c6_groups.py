"""C6: a warpgroup finds its part of a tile by whole swizzle atoms, also where rows trail in memory."""

from __future__ import annotations

from heron_cli.elements import BYTES
from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.primitives import Bind
from heron_cli.space import any_of, const, divides, equal, product

_LINE, _LEAST = 128, 32  # bytes of a row of the widest and of the narrowest swizzle atom


class GroupTiles(ConstraintRule):
    """For instructions that warpgroups execute on shared memory."""

    name = "C6 groups"

    def post(self, poster: Poster) -> None:
        """Post the alignment of tiles that are stored with k as their rows."""
        template = poster.template
        tensorize, einsum = template.tensorize, template.einsum
        k = tensorize.axes["k"]
        if tensorize.intrinsic.scope != "warpgroup" or k is None:
            return
        threads = [bind.level for bind in template.all(Bind) if bind.kind.startswith("threadIdx")]
        for dim, access in (("m", einsum.input), ("n", einsum.weight)):
            axis = tensorize.axes[dim]
            if access.constant or axis is None or access.stride(k) == 1:
                continue
            split = template.split(axis)
            tile = product([const(split.unit * BYTES[access.dtype]), poster.factor(split.inner, axis)])
            groups = product([const(1), *(poster.factor(level, axis) for level in threads)])
            alone = equal(groups, 1)
            poster.space.require(
                f"{self.name} {axis} rows",
                divides(_LEAST, tile * groups),
                f"axis {axis}",
                f"the narrowest swizzle has rows of {_LEAST} bytes",
            )
            poster.space.require(
                f"{self.name} {axis}",
                any_of(alone, divides(_LINE, tile)),
                f"axis {axis}",
                f"the rows of {access.name} trail in memory, so warpgroups share it by whole lines of {_LINE} bytes",
            )
