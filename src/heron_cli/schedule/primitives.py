"""The template's primitives: frozen, symbolic, and over named loops (axis, level), never over TVM's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from heron_cli.accelerator.model import Intrinsic
from heron_cli.schedule.einsum import Dim
from heron_cli.schedule.nest import ROOT, lane_of, trailing_of


@dataclass(frozen=True, slots=True)
class Tensorize:
    """The intrinsic, the shape it is used with, and the axis that each of its dimensions covers (or None)."""

    intrinsic: Intrinsic
    shape: Mapping[str, int]
    axes: Mapping[str, str | None]

    @property
    def lane(self) -> str | None:
        """The axis of a vector's lanes: what a row of sums moves along."""
        return lane_of(self.axes)

    @property
    def batched(self) -> bool:
        """Whether lanes are a batch: each has an input and weights of its own."""
        return bool(self.axes.get("batch"))

    @property
    def trailing(self) -> str | None:
        """The axis that must trail in the input, of which the instruction reads neighbours."""
        return trailing_of(self.axes)


@dataclass(frozen=True, slots=True)
class Split:
    """An axis over levels, outermost first; factors count blocks of `unit` iterations.

    `tail` says how the innermost level covers a count that it does not divide: `none` (it must divide),
    `overlap` (tiles of at most its size, balanced; an incomplete block is shifted back to end with the axis)
    or `mask` (tiles of equal size; what lies beyond the axis is computed and not written).
    """

    axis: str
    unit: int
    blocks: int
    levels: tuple[str, ...]
    tail: str

    @property
    def inner(self) -> str:
        """The innermost level."""
        return self.levels[-1]


@dataclass(frozen=True, slots=True)
class Order:
    """The legal loop orders of a level; one knob chooses when there are several."""

    level: str
    candidates: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Bind:
    """The loops of a level fused into one that is bound to hardware."""

    level: str
    kind: str
    at_most: int | None


@dataclass(frozen=True, slots=True)
class Hold:
    """A buffer for an operand in a memory, covering the tile inside a level."""

    operand: str
    memory: str
    level: str


@dataclass(frozen=True, slots=True)
class Place:
    """A copy of the input (padding, layout) and where it may be computed; `required` says why it exists."""

    stage: str
    positions: tuple[str, ...]
    required: str

    def length_names(self, dims: tuple[Dim, ...]) -> tuple[str, ...]:
        """The derived variables that hold the copy's length in each dimension (constraint rule C4)."""
        return tuple(
            f"{self.stage}.length.{dim.terms[0][0] if dim.terms else i}" for i, dim in enumerate(dims)
        )


@dataclass(frozen=True, slots=True)
class Pack:
    """An operand is laid out in the order in which the loops read it: in advance, or by every call.

    `positions` are where a call may do it: as a whole, or each time what the loops inside a position need.
    """

    operand: str
    in_advance: bool = True
    positions: tuple[str, ...] = (ROOT,)


@dataclass(frozen=True, slots=True)
class WriteBack:
    """The accumulators go to the output where the outermost reduction loop ends."""

    level: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """How many iterations of a level's loops are in flight: that many copies of what the level fills."""

    level: str
    depths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Resident:
    """How many blocks of a bound level a processor is to hold at once: each gets its share of registers."""

    level: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stay:
    """Blocks of a bound level stay, and so many teams of their threads take tiles in turn; 0: they do not."""

    level: str
    teams: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Whether blocks of a bound level begin while the call before them ends is to be tried."""

    level: str


@dataclass(frozen=True, slots=True)
class Raster:
    """In what order the blocks of a bound level run: bands of so many rows of tiles, columns first."""

    level: str
    bands: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Prefetch:
    """The caches are asked for an operand ahead of need; see `prefetch` of the YAML for what numbers mean."""

    operand: str
    distances: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Store:
    """How results leave: `cached`, or `streamed` past the caches."""

    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """An annotation on all loops of a level: `unroll` or `vectorize`."""

    level: str
    kind: str


Primitive = (
    Tensorize
    | Split
    | Order
    | Bind
    | Hold
    | Place
    | Pack
    | WriteBack
    | Pipeline
    | Resident
    | Stay
    | Overlap
    | Raster
    | Prefetch
    | Store
    | Mark
)
P = TypeVar("P", bound=Primitive)
