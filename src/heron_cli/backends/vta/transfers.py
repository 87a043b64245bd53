"""A region of an operand as rectangles: one dimension contiguous, one strided, the others one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from heron_cli.backends.vta.errors import ProgramError


@dataclass(frozen=True, slots=True)
class Span:
    """A range of one dimension: `length` indices from `low` on; [0, extent) are data. Strides in elements."""

    low: int
    length: int
    extent: int
    dram_stride: int

    @property
    def before(self) -> int:
        """Indices before the data."""
        return min(self.length, max(0, -self.low))

    @property
    def after(self) -> int:
        """Indices after the data."""
        return min(self.length, max(0, self.low + self.length - self.extent))

    @property
    def single(self) -> bool:
        """Whether the range is one index of the data: an offset, no dimension of a transfer."""
        return self.length == 1 and not (self.before or self.after)

    @property
    def whole(self) -> bool:
        """Whether the range is all of the dimension, and nothing else."""
        return self.low == 0 and self.length == self.extent


@dataclass(frozen=True, slots=True)
class Rectangle:
    """One transfer; see `isa.Load` for the fields. `sram` is the first element, relative to the region."""

    sram: int
    dram: int
    x_size: int
    y_size: int
    x_stride: int
    pad_top: int = 0
    pad_bottom: int = 0
    pad_left: int = 0
    pad_right: int = 0


def rectangles(spans: Sequence[Span], stride: int) -> Iterator[Rectangle]:
    """The transfers of a region whose spans are given outermost first; the scratch-pad side is compact.

    `stride` is the largest between rows; those that are farther apart are transfers of their own.
    Raises ProgramError where padding lies in a dimension that no rectangle covers, or covers it all.
    """
    first, outer, size = alike(spans, stride)
    yield from _outer(first, outer, size)


def alike(spans: Sequence[Span], stride: int) -> tuple[Rectangle, Sequence[Span], int]:
    """The first of a region's rectangles, which are all alike; the spans with one of them at every index;
    elements of each. Raises as `rectangles` does.
    """
    base = sum(span.low * span.dram_stride for span in spans if span.single)
    moving = _fold([span for span in spans if not span.single])
    x = moving[-1] if moving else Span(0, 1, 1, 1)
    if x.dram_stride != 1:  # single columns: rows of one element
        moving, x = [*moving, x], Span(0, 1, 1, 1)
    if len(moving) > 1 and moving[-2].dram_stride > stride:
        moving = [*moving[:-1], Span(0, 1, 1, 0), x]
    y = moving[-2] if len(moving) > 1 else Span(0, 1, 1, 0)
    outer = moving[:-2]
    if any(span.before or span.after for span in outer):
        raise ProgramError("padding in a third dimension: a transfer pads rows and columns only")
    columns, rows = x.length - x.before - x.after, y.length - y.before - y.after
    if columns < 1 or rows < 1:
        raise ProgramError("a transfer that would hold padding only")
    dram = base + x.low + x.before + (y.low + y.before) * y.dram_stride
    apart = y.dram_stride if rows > 1 else columns
    first = Rectangle(0, dram, columns, rows, apart, y.before, y.after, x.before, x.after)
    return first, outer, x.length * y.length


def _outer(first: Rectangle, outer: Sequence[Span], size: int) -> Iterator[Rectangle]:
    """The rectangle at every index of the outer spans."""
    if not outer:
        yield first
        return
    *rest, span = outer
    for index in range(span.length):
        dram = first.dram + (span.low + index) * span.dram_stride
        moved = replace(first, sram=first.sram + index * size, dram=dram)
        yield from _outer(moved, rest, size * span.length)


def _fold(spans: Sequence[Span]) -> list[Span]:
    """Neighbours that are one run in DRAM as one span."""
    folded: list[Span] = []
    for span in reversed(spans):  # innermost first
        inner = folded[-1] if folded else None
        if inner is not None and inner.whole and not (span.before or span.after):
            n = inner.extent
            if span.dram_stride == inner.dram_stride * n:
                folded[-1] = Span(span.low * n, span.length * n, span.extent * n, inner.dram_stride)
                continue
        folded.append(span)
    return folded[::-1]
