"""A perfect loop nest as one instruction: two loops in its fields, the others unrolled into micro-ops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

Strides = tuple[int, int, int]  # elements that one iteration moves dst, src and wgt


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop and what it moves."""

    extent: int
    strides: Strides


@dataclass(frozen=True, slots=True)
class Folded:
    """`outer` and `inner` are an instruction's loops; `uops` the offsets (dst, src, wgt) of one iteration."""

    outer: Loop
    inner: Loop
    uops: tuple[Strides, ...]


_ONE = Loop(1, (0, 0, 0))


def fold(loops: Sequence[Loop], most: int) -> Folded:
    """Fold loops (outermost first) without changing the order of their iterations.

    Neighbours that continue each other in all three operands become one, up to `most` iterations.
    """
    merged: list[Loop] = []
    for loop in reversed([loop for loop in loops if loop.extent > 1]):
        if merged:
            inner = merged[-1]
            continues = all(a == b * inner.extent for a, b in zip(loop.strides, inner.strides, strict=True))
            if continues and loop.extent * inner.extent <= most:
                merged[-1] = Loop(loop.extent * inner.extent, inner.strides)
                continue
        merged.append(loop)
    ordered = merged[::-1]
    outer, inner, *rest = [*ordered, _ONE, _ONE] if len(ordered) < 2 else ordered
    if len(ordered) < 2:
        rest = []
    uops = []
    for indices in product(*(range(loop.extent) for loop in rest)):
        moved = [
            sum(index * loop.strides[i] for index, loop in zip(indices, rest, strict=True)) for i in range(3)
        ]
        uops.append((moved[0], moved[1], moved[2]))
    return Folded(outer, inner, tuple(uops))
