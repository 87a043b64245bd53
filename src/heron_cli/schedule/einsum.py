"""The normal form of an operator: axes, affine operands, an epilogue.

What lies outside an operand reads as zero; what lies outside the output is not written.

Everything after the analysis works on this value; operators and TVM are no longer visible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

Group = Literal["batch", "m", "n", "k"]
PointKind = Literal["add", "scale", "shift", "clip", "cast"]
GROUPS: tuple[Group, ...] = ("batch", "m", "n", "k")


@dataclass(frozen=True, slots=True)
class Part:
    """An iterator of the operator as it was written; `extent` may exceed the data after padding."""

    name: str
    extent: int


@dataclass(frozen=True, slots=True)
class Axis:
    """A loop of the einsum: one iterator, or several fused ones, outermost first.

    The group follows from membership in (output, input, weight): 110 m, 101 n, 011 k, 111 batch.
    """

    name: str
    group: Group
    parts: tuple[Part, ...]

    @property
    def extent(self) -> int:
        """Number of iterations."""
        return prod(part.extent for part in self.parts)


@dataclass(frozen=True, slots=True)
class Dim:
    """One dimension of an operand: coordinate = Σ coefficient · iterator + offset, data in [0, extent).

    `stride` counts elements of the user's tensor. `terms` name the loops (axes) of a dynamic operand and the
    parts of a constant one, which is packed and therefore free of layout.
    """

    extent: int
    stride: int
    terms: tuple[tuple[str, int], ...]
    offset: int = 0

    def coefficient(self, name: str) -> int:
        """The coefficient of an iterator, 0 if it does not occur."""
        return dict(self.terms).get(name, 0)

    def span(self, extents: Mapping[str, int]) -> tuple[int, int]:
        """Smallest and largest coordinate when every iterator runs over its extent."""
        low = self.offset + sum(min(0, c * (extents[name] - 1)) for name, c in self.terms)
        high = self.offset + sum(max(0, c * (extents[name] - 1)) for name, c in self.terms)
        return low, high

    def leaves(self, extents: Mapping[str, int]) -> bool:
        """Whether a coordinate lies outside the data when every iterator runs over its extent."""
        low, high = self.span(extents)
        return low < 0 or high >= self.extent


@dataclass(frozen=True, slots=True)
class Edge:
    """A padded window: its spatial axis, its tap axis and the input dimension that they share."""

    axis: str
    tap: str
    dim: Dim


@dataclass(frozen=True, slots=True)
class Access:
    """An operand of the einsum. `constant` operands are pre-packed into whatever layout the kernel likes."""

    name: str
    dtype: str
    dims: tuple[Dim, ...]
    constant: bool = False

    def stride(self, name: str) -> int:
        """Elements of the user's tensor between neighbouring iterations of an iterator."""
        return sum(dim.stride * dim.coefficient(name) for dim in self.dims)

    def offset(self) -> int:
        """Flat position of the iteration in which every iterator is 0 (negative inside the padding)."""
        return sum(dim.stride * dim.offset for dim in self.dims)

    def names(self) -> set[str]:
        """The iterators that move this operand."""
        return {name for dim in self.dims for name, _ in dim.terms}

    def shape(self) -> tuple[int, ...]:
        """Extents of the data."""
        return tuple(dim.extent for dim in self.dims)


@dataclass(frozen=True, slots=True)
class PointOp:
    """One step from a finished sum to the output, element by element in the type of the sums.

    `add`: an operand, widened to the sums' type; `shift`: to the right by values[0] bits, arithmetically;
    `scale`: as float32 times an operand, clipped to ±values[0], rounded to the nearest integer, ties to even;
    `clip`: to values[0]..values[1], None where there is no bound; `cast`: to the output's type, always last.
    """

    kind: PointKind
    operand: Access | None = None
    values: tuple[int | None, ...] = ()

    def __str__(self) -> str:
        if self.kind == "clip":
            low, high = ("" if bound is None else str(bound) for bound in self.values)
            return f"clip {low}..{high}"
        if self.operand is not None:
            return f"{self.kind}{' by' * (self.kind == 'scale')} {self.operand.name}"
        return f"shift {self.values[0]}" if self.kind == "shift" else self.kind


@dataclass(frozen=True, slots=True)
class Einsum:
    """output[…] = epilogue(Σ input[…] · weight[…]) over the axes; `name` is for messages.

    Sums are in `accumulate`; `output.dtype` is the type after the epilogue.
    """

    name: str
    axes: tuple[Axis, ...]
    input: Access
    weight: Access
    output: Access
    accumulate: str
    epilogue: tuple[PointOp, ...] = ()
    applied: tuple[str, ...] = ()  # names of the rewrites that led here
    padded: frozenset[str] = frozenset()  # axes that are longer than their data

    @property
    def extents(self) -> dict[str, int]:
        """Extent by axis name."""
        return {axis.name: axis.extent for axis in self.axes}

    @property
    def iterators(self) -> dict[str, int]:
        """Extent by name of what the terms of dynamic operands name: axes, and parts of flattened ones."""
        parts = {part.name: part.extent for axis in self.axes for part in axis.parts}
        return parts | self.extents

    def axis(self, name: str) -> Axis:
        """The axis called `name`. Raises KeyError."""
        return next((axis for axis in self.axes if axis.name == name), None) or _missing(name)

    def group(self, *groups: Group) -> tuple[Axis, ...]:
        """The axes of some groups, in order."""
        return tuple(axis for axis in self.axes if axis.group in groups)

    @property
    def finishing(self) -> tuple[Access, ...]:
        """The operands that the epilogue reads."""
        return tuple(op.operand for op in self.epilogue if op.operand is not None)

    @property
    def accesses(self) -> tuple[Access, ...]:
        """All operands: input, weight, output and those of the epilogue."""
        return (self.input, self.weight, self.output, *self.finishing)

    @property
    def spatial(self) -> tuple[Axis, ...]:
        """Axes of the output: batch, m and n."""
        return self.group("batch", "m", "n")

    @property
    def reduction(self) -> tuple[Axis, ...]:
        """Axes of the sum."""
        return self.group("k")

    def window(self, name: str) -> Dim | None:
        """The input dimension that a reduction axis shares with an m-like axis, if it is a window's tap."""
        spatial = {each for axis in self.spatial for each in (axis.name, *(part.name for part in axis.parts))}
        for dim in self.input.dims:
            members = {term for term, _ in dim.terms}
            if name in members and members & spatial:
                return dim
        return None

    def reducible(self, name: str) -> bool:
        """Whether an intrinsic can reduce over an axis: it moves one input dimension, by one element."""
        found = [dim.coefficient(name) for dim in self.input.dims if dim.coefficient(name)]
        return found == [1]

    def outside(self) -> tuple[int, ...]:
        """Input dimensions whose coordinate leaves the data somewhere (there the input reads as zero)."""
        return tuple(i for i, dim in enumerate(self.input.dims) if dim.leaves(self.iterators))

    def left_out(self) -> tuple[Dim, ...]:
        """Weight dimensions that leave the data along unfused axes: taps that need no work."""
        extents, names = self.iterators, set(self.extents)
        return tuple(
            dim
            for dim in self.weight.dims
            if dim.leaves(extents) and names.issuperset(name for name, _ in dim.terms)
        )

    def cropped(self) -> tuple[Dim, ...]:
        """Output dimensions whose coordinate leaves the image somewhere (there nothing is written)."""
        return tuple(dim for dim in self.output.dims if dim.leaves(self.iterators))

    @property
    def edges(self) -> frozenset[str]:
        """Iterators along which the weight is zero somewhere or the output is cropped: phases and their rows.

        Not those that were padded.
        """
        dims = (*self.left_out(), *self.cropped())
        return frozenset(name for dim in dims for name, _ in dim.terms) - self.padded

    def padded_windows(self) -> tuple[Edge, ...]:
        """Windows of one axis and one tap, innermost first: their padded taps can be left out by tile."""
        taps = {axis.name for axis in self.reduction}
        found = []
        for i in reversed(self.outside()):
            dim = self.input.dims[i]
            axis = [name for name, _ in dim.terms if name not in taps]
            tap = [name for name, _ in dim.terms if name in taps]
            if len(axis) == 1 and len(tap) == 1:
                found.append(Edge(axis[0], tap[0], dim))
        return tuple(found)

    def moves(self, axis: Axis, access: Access) -> bool:
        """Whether an axis, or a part of it, moves an operand."""
        return bool({axis.name, *(part.name for part in axis.parts)} & access.names())

    def exchanged(self, change: Callable[[Access], Access]) -> Einsum:
        """A copy with every operand changed."""
        return replace(
            self,
            input=change(self.input),
            weight=change(self.weight),
            output=change(self.output),
            epilogue=tuple(
                replace(op, operand=None if op.operand is None else change(op.operand))
                for op in self.epilogue
            ),
        )

    def rewritten(self, rule: str, **changes: object) -> Einsum:
        """A copy with some fields changed, remembering which rewrite did it."""
        return replace(self, applied=(*self.applied, rule), **changes)  # type: ignore[arg-type]


def _missing(name: str) -> Axis:
    raise KeyError(f"the einsum has no axis '{name}'")


def tile_length(dim: Dim, tile: Mapping[str, int]) -> int:
    """C4: coordinates that a tile touches, 1 + Σ |coefficient| · (tile − 1), as one contiguous range."""
    return 1 + sum(abs(c) * (tile.get(name, 1) - 1) for name, c in dim.terms)


def merge_terms(terms: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Terms with equal names added up and zeros dropped, in order of first occurrence."""
    total: dict[str, int] = {}
    for name, coefficient in terms:
        total[name] = total.get(name, 0) + coefficient
    return tuple((name, coefficient) for name, coefficient in total.items() if coefficient)
