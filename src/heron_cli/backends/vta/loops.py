"""A perfect loop nest as one instruction: two loops in its fields, the others unrolled into micro-ops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Strides = tuple[int, int, int]  # elements that one iteration moves dst, src and wgt


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop and what it moves."""

    extent: int
    strides: Strides


@dataclass(frozen=True)
class Folded:
    """`outer` and `inner` are an instruction's loops; `rest`, outermost first, is unrolled into micro-ops."""

    outer: Loop
    inner: Loop
    rest: tuple[Loop, ...] = ()

    @cached_property
    def count(self) -> int:
        """Micro-ops of one iteration."""
        return prod(loop.extent for loop in self.rest)

    @cached_property
    def steps(self) -> int:
        """Steps of the instruction."""
        return self.outer.extent * self.inner.extent * self.count

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """What the micro-ops of one iteration move dst, src and wgt, [count, 3]."""
        found = np.zeros((1, 3), np.int64)
        for loop in self.rest:
            moved = np.arange(loop.extent)[:, None] * np.array(loop.strides)
            found = (found[:, None] + moved).reshape(-1, 3)
        return found


_SINGLE = Loop(1, (0, 0, 0))
ONE = Folded(_SINGLE, _SINGLE)
"""A single micro-op."""


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
    outer, inner, *rest = [*merged[::-1], _SINGLE, _SINGLE] if len(merged) < 2 else merged[::-1]
    return Folded(outer, inner, tuple(rest) if len(merged) > 2 else ())
