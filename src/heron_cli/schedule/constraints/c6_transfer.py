"""C6: rows and columns of a transfer fit its fields."""

from __future__ import annotations

from math import prod

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.space import at_most, product


class TransferSize(ConstraintRule):
    """For machines that move tiles by transfers with a largest number of elements.

    An element is a block of the intrinsic's dimensions that the operand has. Neither rows nor columns exceed
    the elements of a tile, so bounding these is enough. The stride's field needs no constraint: rows that are
    farther apart are moved by transfers of their own, and where they are padded, too, the rule that fills
    scratch-pads refuses the workload.
    """

    name = "C6 transfer"

    def post(self, poster: Poster) -> None:
        """Bound the tile of every operand."""
        template = poster.template
        limit = template.accelerator.limits.get("dma_elements")
        if limit is None:
            return
        shape = template.tensorize.shape
        for hold in template.holds:
            operand = {"input": "mk", "weight": "nk"}.get(hold.operand, "mn")
            access = {"input": template.einsum.input, "weight": template.einsum.weight}.get(
                hold.operand, template.einsum.output
            )
            levels = poster.below(hold.level)[1:]
            tiles = {axis.name: poster.tile(axis.name, levels) for axis in template.einsum.axes}
            size = product([poster.length(dim, tiles) for dim in access.dims])
            poster.space.require(
                f"{self.name} {hold.operand}",
                at_most(size, limit * prod(shape[dim] for dim in operand)),
                template.accelerator.where("limits.dma_elements"),
                f"a transfer moves at most {limit:,} elements of {hold.operand}",
            )
