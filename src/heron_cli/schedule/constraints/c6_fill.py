"""C6: a transfer into a scratch-pad moves data, not padding alone; the number of tiles is bounded."""

from __future__ import annotations

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.space import at_least, at_most, product


class FilledTiles(ConstraintRule):
    """For machines that fill scratch-pads with padded transfers."""

    name = "C6 fill"

    def post(self, poster: Poster) -> None:
        """Post one condition per padded dimension, and the bound on tiles where the YAML gives one."""
        template = poster.template
        hold = next((hold for hold in template.holds if hold.operand == "input"), None)
        if hold is None or template.accelerator.gathers:
            return
        einsum = template.einsum
        levels = poster.below(hold.level)[1:]
        tiles = {axis.name: poster.tile(axis.name, levels) for axis in einsum.axes}
        for dim in template.padded_fills():
            low, high = dim.span(einsum.extents)
            least = max(1 - low, high - dim.extent + 2)
            names = " and ".join(name for name, _ in dim.terms)
            poster.space.require(
                f"{self.name} {names}",
                at_least(poster.length(dim, tiles), least),
                f"axes {names}",
                f"the first and the last tile of {names} must reach beyond their padding",
            )
        limit = template.accelerator.limits.get("tiles")
        if limit is not None:
            every = [poster.tiles(axis.name) for axis in einsum.axes]
            poster.space.require(
                f"{self.name} tiles",
                at_most(poster.space.derive("program.tiles", product(every)), limit),
                template.accelerator.where("limits.tiles"),
                "every tile has instructions of its own",
            )
