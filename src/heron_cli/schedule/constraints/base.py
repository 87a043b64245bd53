"""What a constraint rule is, and the quantities that several of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

from heron_cli.schedule.einsum import Access, Dim
from heron_cli.schedule.nest import ROOT
from heron_cli.schedule.primitives import Bind, Hold, Order, Pipeline, Resident, Stay, Store
from heron_cli.schedule.template import Template
from heron_cli.space import Expression, SpaceBuilder, Var, ceil_div, const, minimum, product, select, total


class Poster:
    """A template and the space that grows from it."""

    def __init__(self, template: Template) -> None:
        self.template = template
        self.space = SpaceBuilder()

    def factor(self, level: str, axis: str) -> Expression:
        """The factor of an axis at a level, 1 where it has none."""
        return Var(f"{level}.{axis}") if level in self.template.split(axis).levels else const(1)

    def factors(self, level: str, axes: Iterable[str]) -> Expression:
        """The product of the factors of some axes at a level."""
        return product([self.factor(level, axis) for axis in axes])

    def tiles(self, axis: str) -> Expression:
        """How many innermost tiles cover an axis."""
        split = self.template.split(axis)
        return ceil_div(split.blocks, self.factor(split.inner, axis))

    def tile(self, axis: str, levels: Iterable[str]) -> Expression:
        """Iterations of an axis inside some levels, the intrinsic included, never more than its extent."""
        split = self.template.split(axis)
        inner = product([split.unit, *(self.factor(level, axis) for level in levels)])
        return minimum(self.template.einsum.axis(axis).extent, inner)

    def copies(self, memory: str) -> Expression:
        """Between how many buffers the tiles of a memory rotate."""
        copies = self.template.accelerator.memory(memory).copies
        return Var(f"copies.{memory}") if len(copies) > 1 else const(copies[0] if copies else 1)

    def buffers(self, memory: str) -> Expression:
        """How many buffers a tile has in a memory: copies that rotate, for every virtual thread."""
        virtual = [bind.level for bind in self.template.all(Bind) if bind.kind == "virtual"]
        return product([self.copies(memory), *(Var(f"{level}.iterations") for level in virtual)])

    def depth(self, hold: Hold) -> Expression:
        """How many copies of a buffer rotate because the level that fills it is pipelined."""
        return self.buffers(hold.memory) * self.pipelined(hold.level)

    @property
    def resident(self) -> Expression:
        """How many blocks a processor is to hold at once."""
        found = next(self.template.all(Resident), None)
        return const(1) if found is None else Var(f"resident.{found.level}")

    @property
    def teams(self) -> Expression:
        """How many teams of threads take the tiles of a block in turn; 0 where a block computes one tile."""
        found = next(self.template.all(Stay), None)
        return const(0) if found is None else Var(f"teams.{found.level}")

    def by_store(self, kind: str, then: int, otherwise: int) -> Expression:
        """One number where results leave in some way, another where they do not."""
        kinds = next(
            (store.kinds for store in self.template.all(Store)), self.template.accelerator.stores[:1]
        )
        cases = [const(then if each == kind else otherwise) for each in kinds]
        return cases[0] if len(cases) == 1 else select(Var("store"), cases)

    def pipelined(self, level: str) -> Expression:
        """How many iterations of a level are in flight."""
        pipeline = next((each for each in self.template.all(Pipeline) if each.level == level), None)
        if pipeline is None:
            return const(1)
        return Var(f"depth.{level}") if len(pipeline.depths) > 1 else const(pipeline.depths[0])

    def inside_of(self, hold: Hold) -> list[str]:
        """The levels whose tiles a buffer covers.

        Those inside the level that fills it, and those bound to threads that share its memory, wherever
        they are: the threads of a block fill one buffer together.
        """
        accelerator = self.template.accelerator
        names = self.below(hold.level)[1:]
        bound = [level.name for level in accelerator.levels if (level.bind or "").startswith("threadIdx")]
        rest = [name for name in names if name not in bound]
        return [*bound, *rest] if accelerator.memory(hold.memory).shared_by == "block" else rest

    def below(self, level: str) -> list[str]:
        """The names of the levels from one inwards."""
        names = [other.name for other in self.template.accelerator.levels]
        return names[names.index(level) :]

    def length(self, dim: Dim, tiles: Mapping[str, Expression]) -> Expression:
        """C4: coordinates that a tile touches, 1 + Σ |coefficient| · (tile − 1)."""
        return total([1, *(abs(c) * (tiles[name] - 1) for name, c in dim.terms)])

    def footprint(self, access: Access, tiles: Mapping[str, Expression]) -> Expression:
        """Elements of a dynamic operand that a tile touches; gathered, a matrix of the axes that move it."""
        if self.template.accelerator.gathers:
            einsum = self.template.einsum
            return product([const(1), *(tiles[a.name] for a in einsum.axes if einsum.moves(a, access))])
        return product([const(1), *(self.length(dim, tiles) for dim in access.dims)])

    def inside(self, position: str) -> dict[str, Expression]:
        """Iterations of every axis that lie inside a position, over the order knobs where they matter."""
        axes = [axis.name for axis in self.template.einsum.axes]
        if position == ROOT:
            return {axis: const(self.template.einsum.axis(axis).extent) for axis in axes}
        level, _, count = position.partition(".")
        order = next(order for order in self.template.all(Order) if order.level == level)
        cases = [self._inside(level, int(count) if count else len(c), c) for c in order.candidates]
        if len(cases) == 1:
            return cases[0]
        knob = Var(f"order.{level}")
        return {
            axis: cases[0][axis]
            if len({case[axis] for case in cases}) == 1
            else select(knob, [c[axis] for c in cases])
            for axis in axes
        }

    def _inside(self, level: str, count: int, order: tuple[str, ...]) -> dict[str, Expression]:
        inner = self.below(level)[1:]
        found = {}
        for axis in self.template.einsum.axes:
            if axis.group == "k":
                found[axis.name] = const(axis.extent)  # every reduction loop runs inside the copy
                continue
            spatial = [name for name in order if self.template.einsum.axis(name).group != "k"]
            here = [level] if axis.name in spatial[count:] else []
            found[axis.name] = self.tile(axis.name, [*here, *inner])
        return found


class ConstraintRule(ABC):
    """Walks a template and posts labelled constraints; never touches TVM. Instances hold no state."""

    name: str

    @abstractmethod
    def post(self, poster: Poster) -> None:
        """Add knobs, derived variables and constraints."""
