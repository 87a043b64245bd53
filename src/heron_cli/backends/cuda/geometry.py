"""A nest in numbers, as a GPU kernel needs them: tiles, threads, stages, and places in shared memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

from heron_cli.backends.buffers import item_bytes
from heron_cli.schedule.einsum import Access
from heron_cli.schedule.nest import DIRECT, Nest

LINE = 128  # bytes in which shared memory is swizzled, and that a warp reads without conflicts


@dataclass(frozen=True, slots=True)
class Tiled:
    """A two-dimensional tile in shared memory: `rows` of `chunks` pieces of 16 bytes, swizzled.

    Pieces of a row lie together in groups of `width` (at most 8: 128 bytes), and their place within it is
    XORed with the row so that eight neighbouring rows fall into eight different bank groups.
    """

    rows: int
    chunks: int

    @property
    def width(self) -> int:
        """Pieces of a group: the largest power of two, at most 8, that divides `chunks`."""
        return next(width for width in (8, 4, 2, 1) if self.chunks % width == 0)

    @property
    def bytes(self) -> int:
        """Size of the tile."""
        return self.rows * self.chunks * 16

    @property
    def group(self) -> int:
        """Bytes from one group of pieces to the next: all rows of a group lie together."""
        return self.rows * self.width * 16

    def swizzled(self, row: int) -> int:
        """What the place of a piece is XORed with in a row."""
        return (row // (8 // self.width)) % self.width


@dataclass(frozen=True)
class Geometry:
    """The numbers of a nest. `unit` in elements; tiles in elements; places in bytes."""

    nest: Nest

    @cached_property
    def axes(self) -> dict[str, str]:
        """The axis that each dimension of the instruction covers."""
        found = {}
        for dim in ("m", "n", "k"):
            axis = self.nest.intrinsic[dim]
            assert axis is not None, f"the instruction's {dim} covers no axis"
            found[dim] = axis
        return found

    def factor(self, dim: str, kind: str) -> int:
        """Iterations of a dimension at the levels bound to some hardware."""
        tiling = self.nest.tilings[self.axes[dim]]
        return prod(tiling.factor(level) for level, bind in self.nest.binds.items() if bind == kind)

    def units(self, dim: str) -> int:
        """Instructions of one warp (or warpgroup) along m or n; steps of one stage along k."""
        return self.nest.tilings[self.axes[dim]].size

    def warps(self, dim: str) -> int:
        """Warps (or warpgroups) of a block along m or n."""
        return self.factor(dim, "threadIdx.y")

    def block(self, dim: str) -> int:
        """Elements of a block's tile; along k, of one stage."""
        return self.nest.shape[dim] * self.units(dim) * (1 if dim == "k" else self.warps(dim))

    def extent(self, dim: str) -> int:
        """Iterations of the axis."""
        return self.nest.einsum.axis(self.axes[dim]).extent

    def grid(self, dim: str) -> int:
        """Clusters along m or n (blocks, where they are alone)."""
        return -(-self.extent(dim) // (self.block(dim) * self.shared(dim)))

    def shared(self, dim: str) -> int:
        """Blocks of a cluster along m or n: they share tiles of the other operand."""
        return self.factor(dim, "cluster")

    @property
    def cluster(self) -> int:
        """Blocks of a cluster: those that share a reduction, and those that share tiles."""
        return self.split * self.shared("m") * self.shared("n")

    @property
    def split(self) -> int:
        """Blocks of a cluster, which share one tile's reduction."""
        return self.factor("k", "cluster")

    @property
    def chunks(self) -> int:
        """Stages along the instruction's reduction axis, of one block."""
        return -(-self.extent("k") // (self.block("k") * self.split))

    @cached_property
    def taps(self) -> tuple[tuple[str, int], ...]:
        """The other reduction axes, outermost first, with their extents."""
        found = [axis for axis in self.nest.einsum.reduction if axis.name != self.axes["k"]]
        return tuple((axis.name, axis.extent) for axis in found)

    @property
    def iterations(self) -> int:
        """Stages that a block goes through."""
        return prod(extent for _, extent in self.taps) * self.chunks

    @property
    def depth(self) -> int:
        """Stages in flight."""
        return next(iter(self.nest.depths.values()), 1)

    @property
    def bulk(self) -> bool:
        """Whether tiles arrive by bulk copies, which one more warpgroup issues."""
        return self.nest.filled_by == "bulk"

    @property
    def teams(self) -> int:
        """Teams of a block's threads that take tiles in turn."""
        return max(1, self.nest.teams)

    @property
    def stays(self) -> bool:
        """Whether a block computes many tiles."""
        return self.nest.teams > 0

    @property
    def workers(self) -> int:
        """Threads of a block that multiply."""
        return self.teams * self.warps("m") * self.warps("n") * self.nest.lanes

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.workers + (128 if self.bulk else 0)

    @cached_property
    def batches(self) -> tuple[tuple[str, int], ...]:
        """The axes that every operand moves along, and other spatial ones that no tile covers."""
        covered = set(self.axes.values())
        rest = [axis for axis in self.nest.einsum.spatial if axis.name not in covered]
        return tuple((axis.name, axis.extent) for axis in rest)

    @property
    def blocks(self) -> int:
        """Blocks of the grid, one of each cluster."""
        places = self.nest.places // self.cluster if self.stays else self.tiles
        return min(self.tiles, max(1, places))

    @property
    def visits(self) -> int:
        """Tiles of a block, at most."""
        return -(-self.tiles // self.blocks)

    @property
    def tiles(self) -> int:
        """Tiles of the output, one of each cluster."""
        return self.grid("m") * self.grid("n") * prod(extent for _, extent in self.batches)

    @property
    def grouped(self) -> bool:
        """Whether a warpgroup multiplies from shared memory, instead of a warp from fragments."""
        return self.nest.lanes > 32

    @property
    def direct(self) -> bool:
        """Whether results leave from the registers of the threads that summed them."""
        return self.nest.store == DIRECT

    # --- passing through the cache ------------------------------------------------------------------------

    def passes(self, access: Access) -> bool:
        """Whether an operand passes through the cache once, and is larger: it should push nothing else out.

        The output is written once. An operand of the products is read once where one tile covers the other
        side, and its elements belong to one window each.
        """
        if not 0 < self.nest.cache < prod(access.shape()) * item_bytes(access.dtype):
            return False
        if access.name == "output":
            return True
        other = "n" if access.name == "input" else "m"
        read_by = self.grid(other) * self.shared(other)
        return access.name in ("input", "weight") and read_by == 1 and (access.constant or not self.taps)

    # --- shared memory ------------------------------------------------------------------------------------

    def operand_bytes(self, dim: str) -> int:
        """One stage of the operand whose rows are m (the input) or n (the weight)."""
        access = self.nest.einsum.input if dim == "m" else self.nest.einsum.weight
        return self.block(dim) * self.block("k") * item_bytes(access.dtype)

    @property
    def stage_bytes(self) -> int:
        """One stage: a tile of the input, then one of the weight, each on a whole number of swizzle atoms."""
        return self.aligned(self.operand_bytes("m")) + self.aligned(self.operand_bytes("n"))

    @staticmethod
    def aligned(size: int) -> int:
        """Swizzle atoms are 1024 bytes."""
        return -(-size // 1024) * 1024

    @property
    def pitch(self) -> int:
        """Sums from one row of the staged result to the next, see `constraints/c5_memory`."""
        columns = self.block("n")
        return columns + (31 * columns + 8) % 32

    @property
    def shared_bytes(self) -> int:
        """Dynamic shared memory of a block."""
        return self.barriers + (16 * self.depth + 8 * self.nest.teams if self.bulk else 0)

    @property
    def barriers(self) -> int:
        """Where the barriers of bulk copies lie: behind the stages and the result that replaces them."""
        staged = 0 if self.direct else self.block("m") * self.pitch * 4
        return max(self.depth * self.stage_bytes, staged)
