"""C5, memory limit: what is alive together in a memory fits into it."""

from __future__ import annotations

from heron_cli.elements import BYTES
from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.primitives import Hold
from heron_cli.space import Expression, at_most, product, total


class MemoryLimit(ConstraintRule):
    """Sums the buffers of each memory; derives `bytes.MEMORY`."""

    name = "C5 memory limit"

    def post(self, poster: Poster) -> None:
        """Post one limit per memory that holds something."""
        template = poster.template
        for memory in template.accelerator.memories:
            held = [hold for hold in template.holds if hold.memory == memory.name]
            if not held:
                continue
            used = poster.space.derive(
                f"bytes.{memory.name}", total([self._bytes(poster, hold) for hold in held])
            )
            if memory.capacity_bytes is not None:
                poster.space.require(
                    f"{self.name} {memory.name}",
                    at_most(used, memory.capacity_bytes),
                    template.accelerator.where(f"memories.{memory.name}.capacity"),
                    f"{', '.join(hold.operand for hold in held)} live in {memory.name} together",
                )

    def _bytes(self, poster: Poster, hold: Hold) -> Expression:
        """Bytes of a hold: the operand's tile inside its level.

        Accumulators, and what is added to them in their type, count whole intrinsic tiles.
        """
        template = poster.template
        einsum = template.einsum
        levels = poster.below(hold.level)[1:]
        buffers = poster.buffers(hold.memory)
        sums = {"accumulate": einsum.output, **{access.name: access for access in einsum.finishing}}
        if hold.operand in sums:
            units = [template.split(axis.name).unit for axis in einsum.spatial]
            moving = [axis.name for axis in einsum.spatial if einsum.moves(axis, sums[hold.operand])]
            factors = [poster.factor(level, axis) for axis in moving for level in levels]
            return product([buffers, BYTES[einsum.accumulate], *units, *factors])
        access = {"input": einsum.input, "weight": einsum.weight}[hold.operand]
        tiles = {axis.name: poster.tile(axis.name, levels) for axis in einsum.axes}
        return product([buffers, BYTES[access.dtype], *(poster.length(dim, tiles) for dim in access.dims)])
