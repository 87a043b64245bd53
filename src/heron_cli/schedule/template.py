"""A template: an einsum on an accelerator and the primitives that schedule rules recorded, all symbolic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from heron_cli.accelerator.model import Accelerator, Intrinsic, Level
from heron_cli.schedule.einsum import Dim, Edge, Einsum
from heron_cli.schedule.nest import NO_STAGE, ROOT, Nest, Tiling, static_edges
from heron_cli.schedule.primitives import (
    Bind,
    Hold,
    Order,
    Overlap,
    P,
    Pack,
    Pipeline,
    Place,
    Prefetch,
    Primitive,
    Raster,
    Resident,
    Split,
    Stay,
    Store,
    Tensorize,
)

PACKED = "place.pack"
"""The knob that says at which of its positions the weight is packed, where there are several."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one schedule rule: `reason` says why it did not apply, or what it did."""

    rule: str
    applied: bool
    reason: str


@dataclass(frozen=True)
class Template:
    """The recorded schedule. `threads` is how many threads a kernel runs on."""

    einsum: Einsum
    accelerator: Accelerator
    threads: int
    instruction: str | None = None  # the only intrinsic to use; None: whichever fits best
    computes: str = "gemm"  # what the intrinsic must compute
    filled_by: str = "threads"
    primitives: tuple[Primitive, ...] = ()
    log: tuple[Applied, ...] = ()

    def add(self, *primitives: Primitive) -> Template:
        """The template with more primitives."""
        return replace(self, primitives=(*self.primitives, *primitives))

    def noted(self, entry: Applied) -> Template:
        """The template with one more line in its log."""
        return replace(self, log=(*self.log, entry))

    def all(self, kind: type[P]) -> Iterator[P]:
        """The primitives of one kind, in order."""
        return (primitive for primitive in self.primitives if isinstance(primitive, kind))

    @property
    def intrinsics(self) -> tuple[Intrinsic, ...]:
        """The intrinsics that may be used."""
        every = self.accelerator.intrinsics
        fit = (each for each in every if each.computes == self.computes)
        return tuple(each for each in fit if self.instruction in (None, each.name))

    @property
    def tensorize(self) -> Tensorize:
        """The intrinsic in use. Raises StopIteration before the tensorize rule."""
        return next(self.all(Tensorize))

    @property
    def static_edges(self) -> tuple[Edge, ...]:
        """The padded windows whose taps each tile leaves out point by point where they are skipped."""
        return static_edges(self.einsum, self.tensorize.axes)

    def split(self, axis: str) -> Split:
        """How an axis is split. Raises StopIteration for an unknown axis."""
        return next(split for split in self.all(Split) if split.axis == axis)

    @property
    def bind(self) -> Bind | None:
        """The level that is bound to parallel hardware."""
        return next(self.all(Bind), None)

    def runs_alone(self, level: str) -> bool:
        """Whether a level is bound to CPU threads of which there is one: its loops have one iteration."""
        return any(b.level == level and b.kind == "parallel" for b in self.all(Bind)) and self.threads == 1

    def panelled(self, axis: str) -> bool:
        """Whether each iteration of an axis reads a panel of its own of a weight that is packed."""
        einsum = self.einsum
        spatial = einsum.axis(axis).group != "k" and self.tensorize.lane != axis
        return self.pack is not None and spatial and einsum.moves(einsum.axis(axis), einsum.weight)

    @property
    def place(self) -> Place | None:
        """Where the input may be copied, if it must be."""
        return next(self.all(Place), None)

    @property
    def pack(self) -> Pack | None:
        """How the weight is packed, if it is."""
        return next((pack for pack in self.all(Pack) if pack.operand == "weight"), None)

    def within(self, name: str) -> list[str]:
        """The places inside a level's spatial loops: one in a bound (fused) level, else after each loop."""
        order = next(order for order in self.all(Order) if order.level == name)
        if self.accelerator.level(name).bind is not None:
            return [name] if self.threads > 1 else []
        spatial = [axis for axis in order.candidates[0] if self.einsum.axis(axis).group != "k"]
        return [f"{name}.{i}" for i in range(1, len(spatial) + 1)]

    def padded_fills(self) -> tuple[Dim, ...]:
        """Input dimensions that fills pad: not those of the intrinsic's blocks, which are packed whole."""
        blocked = {axis for axis in self.tensorize.axes.values() if axis is not None}
        dims = (self.einsum.input.dims[i] for i in self.einsum.outside())
        return tuple(dim for dim in dims if not blocked & {name for name, _ in dim.terms})

    @property
    def operands(self) -> tuple[str, ...]:
        """What the einsum reads and accumulates, by the words of the YAML's `holds`."""
        return ("input", "weight", "accumulate", "output", *(access.name for access in self.einsum.finishing))

    @property
    def holds(self) -> tuple[Hold, ...]:
        """The buffers in the accelerator's memories."""
        return tuple(self.all(Hold))

    def axes_of(self, level: Level) -> tuple[str, ...]:
        """The einsum's axes that a level of the YAML has loops for."""
        return tuple(axis.name for axis in self.einsum.axes if set(level.axes) & self.words(axis.name))

    def words(self, axis: str) -> set[str]:
        """The words by which YAML levels and rules may mean an axis."""
        group = self.einsum.axis(axis).group
        if group != "k":
            return {group, "spatial"}
        found = {"k", "reduction", "window" if self.einsum.window(axis) else "channel"}
        tensorize = next(self.all(Tensorize), None)
        if tensorize is not None and tensorize.axes["k"] == axis:
            found.add("intrinsic.k")
        return found

    def nest(self, values: Mapping[str, int]) -> Nest:
        """The template with every number filled in; `values` holds knobs and derived variables."""
        tensorize = self.tensorize
        tilings = {}
        for split in self.all(Split):
            factors = tuple((level, values[f"{level}.{split.axis}"]) for level in split.levels[:-1])
            size = values[f"{split.inner}.{split.axis}"]
            tilings[split.axis] = Tiling(self.einsum.axis(split.axis).extent, split.unit, size, factors)
        orders = {order.level: order.candidates for order in self.all(Order)}
        order = tuple(
            (level, candidates[values.get(f"order.{level}", 0)]) for level, candidates in orders.items()
        )
        place = self.place
        stage = place.positions[values.get(f"place.{place.stage}", 0)] if place else NO_STAGE
        lengths = place.length_names(self.einsum.input.dims) if place else ()
        return Nest(
            self.einsum,
            tilings,
            order,
            self.bind.level if self.bind else None,
            tensorize.axes,
            next(iter(tensorize.intrinsic.extra.values()), tensorize.intrinsic.name),
            stage,
            self.threads,
            tuple(values[name] for name in lengths),
            {hold.memory: values.get(f"copies.{hold.memory}", 1) for hold in self.holds},
            tensorize.shape,
            tensorize.intrinsic.lanes,
            {each.level: values.get(f"depth.{each.level}", each.depths[0]) for each in self.all(Pipeline)},
            next((values[f"band.{each.level}"] for each in self.all(Raster)), 1),
            {each.level: each.kind for each in self.all(Bind)},
            self.filled_by,
            next((values[f"resident.{each.level}"] for each in self.all(Resident)), 1),
            {p.operand: values.get(f"prefetch.{p.operand}", p.distances[0]) for p in self.all(Prefetch)},
            next((each.kinds[values["store"]] for each in self.all(Store)), self.accelerator.stores[0]),
            bool(
                next(
                    (values[f"overlap.{each.level}"] for each in self.all(Overlap)),
                    any(True in level.overlap for level in self.accelerator.levels),
                )
            ),
            next((values[f"teams.{each.level}"] for each in self.all(Stay)), 0),
            self.accelerator.limits.get("processors", 0)
            * next((values[f"resident.{each.level}"] for each in self.all(Resident)), 1),
            self.pack.positions[values.get(PACKED, 0)] if self.pack else ROOT,
            self.accelerator.limits.get("cache_bytes", 0),
        )
