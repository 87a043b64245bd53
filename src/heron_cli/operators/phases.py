"""Transposed convolutions in phases: one dimension of them, and the weight by phase.

Output y = stride·i + dilation·k − padding collects input i times tap k. Along one dimension, let g be the
greatest common divisor of stride s and dilation d. Outputs fall into s phases, and a phase sees every
(s/g)-th tap only:

    k = j + a + (s/g)·t        tap: phase j of the taps, step t
    i = q + q0 − (d/g)·t       input
    y = s·q + d·j + r + y0     output: r is what is left modulo g, where only r = 0 receives anything

so q is like a row of the input, j and r belong to weight and output, t to the sum: a convolution over t with
g·(s/g) times as many output channels, and no multiplication by the zeros between the input's elements.
Taps outside the kernel read as zero; outputs outside the image are not written. For d = 1, a and q0 are such
that y0 = 0 and every phase begins with the image. The kernel is flipped by running t backwards, so that the
input's index grows with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any


@dataclass(frozen=True, slots=True)
class Phases:
    """One dimension in phases; see the module for the letters."""

    size: int
    output: int
    kernel: int
    stride: int
    padding: int
    dilation: int

    @property
    def common(self) -> int:
        """The divisor g: how many values r has."""
        return gcd(self.stride, self.dilation)

    @property
    def taps(self) -> int:
        """Phases of the taps: how many values j has."""
        return self.stride // self.common

    @property
    def aligned(self) -> bool:
        """Whether every phase begins with the image."""
        return self.dilation == 1

    @property
    def q0(self) -> int:
        """The input's row of q = 0, t = 0."""
        if self.aligned:
            return -(-self.padding // self.stride)
        last = self.dilation * (self.taps - 1) + self.common - 1
        return (self.padding - last) // self.stride

    @property
    def first(self) -> int:
        """The tap a of j = 0, t = 0, 0 or below."""
        return self.padding - self.stride * self.q0 if self.aligned else 0

    @property
    def y0(self) -> int:
        """The output's row of q = j = r = 0, 0 or below."""
        return self.stride * self.q0 + self.dilation * self.first - self.padding

    @property
    def rows(self) -> int:
        """How many values q has."""
        return (self.output - 1 - self.y0) // self.stride + 1

    @property
    def steps(self) -> int:
        """How many values t has."""
        return -(-(self.kernel - self.first) // self.taps)

    def tap(self, j: Any, back: Any) -> Any:
        """The tap of step t = steps − 1 − back."""
        return j - back * self.taps + (self.first + self.taps * (self.steps - 1))

    def row(self, q: Any, back: Any) -> Any:
        """The input's row, counted from `lowest`."""
        return q + back * (self.dilation // self.common)

    @property
    def lowest(self) -> int:
        """The input's first row that is read, below 0 inside the padding."""
        return self.q0 - (self.dilation // self.common) * (self.steps - 1)

    @property
    def highest(self) -> int:
        """The input's last row that is read."""
        return int(self.lowest + self.row(self.rows - 1, self.steps - 1))

    def phase(self, y: Any) -> tuple[Any, Any, Any]:
        """(q, j, r) of an output's row, in operations that TE has."""
        at = y - self.y0
        r = at % self.common
        unit = self.dilation // self.common
        turn = pow(unit, -1, self.taps)
        j = (at // self.common) * turn % self.taps
        return (at - r - j * self.dilation) // self.stride, j, r

    def present(self, values: tuple[Any, Any, Any]) -> tuple[Any, ...]:
        """Of (q, j, r) those that a dimension of the sum stands for."""
        q, j, r = values
        return (q, *((j,) if self.taps > 1 else ()), *((r,) if self.common > 1 else ()))

    def names(self, letter: str) -> tuple[str, ...]:
        """Names of the dimension's iterators."""
        return self.present((letter, f"p{letter}", f"r{letter}"))

    @property
    def extents(self) -> tuple[int, ...]:
        """Their extents."""
        return self.present((self.rows, self.taps, self.common))


def by_phase(
    phases: Sequence[Phases], weight: Any, channels: tuple[int, ...]
) -> Callable[[Sequence[Any], Sequence[Any], Sequence[Any]], Any]:
    """The weight as a function of (phases, steps backwards, channels): zero for taps outside the kernel.

    Phases r > 0, which receive nothing, are outside of a dimension of extent 1.
    """
    from tvm import te, tirx

    def parts(index: Sequence[Any]) -> Iterator[tuple[Phases, Any, Any]]:
        """(dimension, j, r) from the indices of its phases."""
        rest = list(index)
        for phase in phases:
            j = rest.pop(0) if phase.taps > 1 else 0
            yield phase, j, rest.pop(0) if phase.common > 1 else None

    def place(
        phase: Sequence[Any], back: Sequence[Any], channel: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        found = list(parts(phase))
        taps = [p.tap(j, t) for (p, j, _), t in zip(found, back, strict=True)]
        rest = [r for _, _, r in found if r is not None]
        inside = [r < 1 for r in rest]
        for (p, _, _), tap in zip(found, taps, strict=True):
            lowest, highest = p.first, p.tap(p.taps - 1, 0)
            inside += [tap >= 0] if lowest < 0 else []
            inside += [tap < p.kernel] if highest >= p.kernel else []
        return [*rest, *channel, *taps], inside

    counts = [n for p in phases for n in p.present((0, p.taps, p.common))[1:]]
    steps = [phase.steps for phase in phases]

    def value(*index: Any) -> Any:
        phase, back = index[: len(counts)], index[len(counts) : len(counts) + len(steps)]
        at, inside = place(phase, back, index[len(counts) + len(steps) :])
        return tirx.if_then_else(tirx.all(*inside), weight[tuple(at)], tirx.const(0, weight.dtype))

    _, inside = place([0] * len(counts), [0] * len(steps), [0] * len(channels))
    if not inside:
        return lambda phase, back, channel: weight[tuple(place(phase, back, channel)[0])]
    whole = te.compute((*counts, *steps, *channels), value, name="taps")
    return lambda phase, back, channel: whole[(*phase, *back, *channel)]
