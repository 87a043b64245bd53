"""A template with every number filled in: what a code generator reads. It decides nothing any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from heron_cli.schedule.einsum import Edge, Einsum

NO_STAGE = "none"
SKIP = "skip"
ROOT = "root"
STREAMED = "streamed"
DIRECT = "direct"


def lane_of(covered: Mapping[str, str | None]) -> str | None:
    """The axis of the lanes, by dimension of an intrinsic: n of a matrix product, else the batch."""
    return covered["n"] or covered.get("batch")


def trailing_of(covered: Mapping[str, str | None]) -> str | None:
    """The axis of which an intrinsic reads neighbours of the input: its batch, else what it reduces."""
    return covered.get("batch") or covered["k"]


def static_edges(einsum: Einsum, covered: Mapping[str, str | None]) -> tuple[Edge, ...]:
    """The padded windows whose taps each tile leaves out point by point, where the input is not copied.

    All of them where lanes are a batch, since the kernel's taps are straight code; else the innermost.
    """
    found = einsum.padded_windows()
    return found if covered.get("batch") else found[:1]


@dataclass(frozen=True, slots=True)
class Tiling:
    """How one axis is covered: blocks of `unit` iterations, grouped into tiles of at most `size` blocks.

    Tiles are balanced: the first `longer` tiles hold `base + 1` blocks and the others `base`, so an axis
    that does not divide costs no wasted work, only a second body of code. When the unit does not divide
    the extent, the last block is shifted back to end with the axis (its first iterations are done twice).
    """

    extent: int
    unit: int
    size: int
    factors: tuple[tuple[str, int], ...]  # (level, number of tiles it iterates), outermost first

    @property
    def blocks(self) -> int:
        """Blocks of the whole axis."""
        return -(-self.extent // self.unit)

    @property
    def tiles(self) -> int:
        """Tiles of the whole axis."""
        return -(-self.blocks // self.size)

    @property
    def base(self) -> int:
        """Blocks of a short tile."""
        return self.blocks // self.tiles

    @property
    def longer(self) -> int:
        """How many tiles hold one block more."""
        return self.blocks % self.tiles

    def factor(self, level: str) -> int:
        """Iterations of this axis at a level, 1 where it has none."""
        return dict(self.factors).get(level, 1)

    def tile_blocks(self, tile: int) -> int:
        """Number of blocks of a tile."""
        return self.base + (1 if tile < self.longer else 0)

    def first_block(self, tile: int) -> int:
        """First block of a tile."""
        return tile * self.base + min(tile, self.longer)

    def start(self, block: int) -> int:
        """First iteration of a block; the last block is shifted back to end with the axis."""
        return max(0, min(block * self.unit, self.extent - self.unit))


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop outside the tile; `position` is `LEVEL.COUNT`, the place inside that many spatial loops."""

    axis: str
    level: str
    position: str


@dataclass(frozen=True, slots=True)
class Nest:
    """Loops, their order and the input stage of one candidate.

    `order` holds the axes of each level, outermost level first; `stage` says where the input is copied
    (`none`, `skip`: padded taps are left out instead, `root`, a level's name, or `LEVEL.COUNT`: after that
    many of the level's loops) and `lengths` how many coordinates of each input dimension one copy holds;
    `copies` says between how many buffers each memory's tiles rotate;
    `intrinsic` maps m, n, k (and batch, for dot products by lanes) to the axes that the instruction covers,
    `shape` to their extents in it;
    `lanes` is how many threads execute it together; `depths` says how many iterations of a pipelined level
    are in flight; `band` is how many rows of tiles a rasterised level takes at a time;
    `binds` says which hardware executes the loops of a level, `filled_by` what copies tiles into memories,
    `resident` how many blocks share a processor's registers; `prefetch` how far ahead operands are asked for;
    `store` how results leave, `overlap` whether blocks may begin before the kernel before them has ended;
    `teams` how many teams of a block's threads take tiles in turn (0: a block computes one tile), `places`
    how many blocks then stay; `pack` where a weight that is not packed in advance is packed; `cache` the
    bytes of the cache that all processors share (0: not said).
    """

    einsum: Einsum
    tilings: Mapping[str, Tiling]
    order: tuple[tuple[str, tuple[str, ...]], ...]
    parallel: str | None
    intrinsic: Mapping[str, str | None]
    instruction: str
    stage: str
    threads: int
    lengths: tuple[int, ...] = ()
    copies: Mapping[str, int] = field(default_factory=dict)
    shape: Mapping[str, int] = field(default_factory=dict)
    lanes: int = 1
    depths: Mapping[str, int] = field(default_factory=dict)
    band: int = 1
    binds: Mapping[str, str] = field(default_factory=dict)
    filled_by: str = "threads"
    resident: int = 1
    prefetch: Mapping[str, int] = field(default_factory=dict)
    store: str = "cached"
    overlap: bool = False
    teams: int = 0
    places: int = 0
    pack: str = ROOT
    cache: int = 0

    @property
    def lane(self) -> str | None:
        """The axis of a vector's lanes."""
        return lane_of(self.intrinsic)

    @property
    def batched(self) -> bool:
        """Whether lanes are a batch: each has an input and weights of its own."""
        return bool(self.intrinsic.get("batch"))

    @property
    def trailing(self) -> str | None:
        """The axis that must trail in the input."""
        return trailing_of(self.intrinsic)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The padded windows whose taps each tile leaves out point by point."""
        return static_edges(self.einsum, self.intrinsic) if self.stage == SKIP else ()

    def level(self, name: str) -> tuple[str, ...]:
        """The axes of a level in loop order."""
        return dict(self.order)[name]

    def positions(self) -> tuple[Loop, ...]:
        """Every loop outside the tile, outermost first."""
        found = []
        for level, axes in self.order:
            count = 0
            for axis in axes:
                count += self.einsum.axis(axis).group != "k"
                found.append(Loop(axis, level, f"{level}.{count}"))
        return tuple(found)

    def inside(self, position: str, axis: str) -> int:
        """Tiles of a spatial axis that one visit of a position covers."""
        return prod(
            self.tilings[axis].factor(loop.level) for loop in self.inner_loops(position) if loop.axis == axis
        )

    def inner_loops(self, position: str) -> tuple[Loop, ...]:
        """The loops inside a position, outermost first; all of them for the root and for no place."""
        loops = self.positions()
        last = {loop.level: i for i, loop in enumerate(loops)}
        named = {loop.position: i for i, loop in enumerate(loops)}
        return loops[last.get(position, named.get(position, -1)) + 1 :]
