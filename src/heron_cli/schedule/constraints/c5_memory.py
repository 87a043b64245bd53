"""C5, memory limit: what is alive together in a memory fits into it."""

from __future__ import annotations

from heron_cli.elements import BYTES
from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.nest import DIRECT
from heron_cli.schedule.primitives import Hold
from heron_cli.space import Expression, at_most, ceil_div, const, maximum, product, total

_GROUPS = {"input": ("m", "k"), "weight": ("n", "k")}  # dimensions of a tile, also those of a unit axis
_ATOM = 1024  # bytes after which an XOR swizzle repeats, eight rows of 128; swizzled tiles begin there
_TURN = 8  # bytes of the barrier by which a team of a block that stays gets its turn
_GATES = 16  # bytes of the two barriers of a stage, behind everything else: filled, and free again


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
            phases = [  # what is read dies before what is written is born, where the YAML holds both
                total([self._bytes(poster, hold) for hold in held if (hold.operand == "output") == after])
                for after in (False, True)
                if any((hold.operand == "output") == after for hold in held)
            ]
            most = phases[0] if len(phases) == 1 else maximum(*phases)
            if template.filled_by == "bulk" and template.filled_by in memory.filled_by:
                levels = dict.fromkeys(hold.level for hold in held if hold.operand in _GROUPS)
                gates = [_GATES * poster.pipelined(level) for level in levels]
                most = most + total([*gates, _TURN * poster.teams])
            used = poster.space.derive(f"bytes.{memory.name}", most)
            if memory.capacity_bytes is not None:
                reserve = template.accelerator.limits.get("reserved_bytes", 0)
                whole = const(memory.capacity_bytes)
                if memory.shared_by == "block":
                    whole = (whole + reserve) // poster.resident - reserve
                poster.space.require(
                    f"{self.name} {memory.name}",
                    at_most(used, whole),
                    template.accelerator.where(f"memories.{memory.name}.capacity"),
                    f"{', '.join(hold.operand for hold in held)} live in {memory.name} together",
                )

    def _bytes(self, poster: Poster, hold: Hold) -> Expression:
        """Bytes of a hold: the operand's tile inside its level.

        Accumulators, and what is added to them in their type, count whole intrinsic tiles.
        """
        template = poster.template
        einsum = template.einsum
        levels = poster.inside_of(hold)
        buffers = poster.buffers(hold.memory)
        if template.accelerator.gathers:  # a matrix of the axes that move the operand, masked ones included
            return self._gathered(poster, hold, levels)
        sums = {"accumulate": einsum.output, **{access.name: access for access in einsum.finishing}}
        if hold.operand in sums:
            units = [template.split(axis.name).unit for axis in einsum.spatial]
            moving = [axis.name for axis in einsum.spatial if einsum.moves(axis, sums[hold.operand])]
            factors = [poster.factor(level, axis) for axis in moving for level in levels]
            return product([buffers, BYTES[einsum.accumulate], *units, *factors])
        access = {"input": einsum.input, "weight": einsum.weight}[hold.operand]
        tiles = {axis.name: poster.tile(axis.name, levels) for axis in einsum.axes}
        return product([buffers, BYTES[access.dtype], *(poster.length(dim, tiles) for dim in access.dims)])

    def _gathered(self, poster: Poster, hold: Hold, levels: list[str]) -> Expression:
        einsum = poster.template.einsum
        if hold.operand == "output":
            return self._staged(poster, levels)
        accesses = {access.name: access for access in einsum.accesses} | {"accumulate": einsum.output}
        access, groups = accesses[hold.operand], _GROUPS.get(hold.operand, ())
        axes = [axis for axis in einsum.axes if axis.group in groups or einsum.moves(axis, access)]
        units = [poster.template.split(axis.name).unit for axis in axes]
        factors = [poster.factor(level, axis.name) for axis in axes for level in levels]
        if hold.operand == "accumulate":
            return product([poster.buffers(hold.memory), BYTES[einsum.accumulate], *units, *factors])
        tile = product([BYTES[access.dtype], *units, *factors])
        if "xor" in poster.template.accelerator.memory(hold.memory).swizzle:
            tile = ceil_div(tile, _ATOM) * _ATOM
        return poster.depth(hold) * tile

    def _staged(self, poster: Poster, levels: list[str]) -> Expression:
        """Sums of a tile on their way out; none where they leave from registers.

        Rows begin 8 words after a multiple of 32 banks, so that the fragments of a warp, four lanes to a row,
        are stored without conflicts.
        """
        tensorize, einsum = poster.template.tensorize, poster.template.einsum
        extents = []
        for dim in ("m", "n"):
            axis = tensorize.axes[dim]
            assert axis is not None
            factors = [poster.factor(level, axis) for level in levels]
            extents.append(product([poster.template.split(axis).unit, *factors]))
        rows, columns = extents
        tile = BYTES[einsum.accumulate] * rows * (columns + (31 * columns + 8) % 32)
        return poster.by_store(DIRECT, 0, 1) * tile
