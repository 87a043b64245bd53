"""Transposed convolutions of any number of dimensions, with PyTorch's meaning, as one einsum of phases.

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

All phases are one kernel: they read the same input, and schedules share tiles among them. What one phase has
more taps than another are taps outside the kernel, which a code generator may leave out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import gcd, prod
from typing import TYPE_CHECKING, Any

from heron_cli.errors import InputError
from heron_cli.operators import finish
from heron_cli.operators.base import TensorSpec
from heron_cli.operators.convolution import (
    Shape,
    Spatial,
    channels_placed,
    channels_trailing,
    check_groups,
    groups_of,
    named,
    pad,
    split_channels,
)
from heron_cli.operators.parameter import Parameter, Value, integer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.operators.workload import Workload


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


class Transposed(Spatial):
    """Transposed convolution with a constant weight (in_channels, out_channels / groups, kernel…)."""

    def __init__(self, name: str, sizes: tuple[str, ...]) -> None:
        self.name, self.sizes = name, sizes
        self.summary = (
            f"{self.rank}-D transposed convolution with a constant weight, "
            f"N{self.letters}C or NC{self.letters} activations"
        )
        rank = self.rank if self.rank > 1 else 0
        none: Value = (0,) * rank if rank else 0
        kernel, stride, _, dilation = self.window_parameters()
        self.parameters = (
            *self.size_parameters(),
            Parameter("in_channels", "channels of the input"),
            Parameter("out_channels", "channels of the output"),
            kernel,
            Parameter("stride", "step of the window in the output", rank=rank, default=stride.default),
            Parameter("padding", "cut off on both sides of the output", 0, none, rank),
            Parameter("output_padding", "added to one side of the output, below the stride", 0, none, rank),
            dilation,
            self.layout_parameter(),
            Parameter("groups", "groups that channels fall into", default=1, implied=True),
        )

    def normalise(self, shape: Mapping[str, object], where: str) -> dict[str, Value]:
        """The complete shape; refuses what PyTorch refuses, and an output without elements."""
        complete = super().normalise(shape, where)
        check_groups(complete, where)
        names = ("output_padding", "stride", "dilation")
        for extra, stride, dilation in zip(*(self.window(complete, name) for name in names), strict=True):
            if extra >= max(stride, dilation):
                raise InputError(
                    f"{where}: output_padding is {extra}; "
                    f"it is below stride ({stride}) or below dilation ({dilation})"
                )
        for name, extent in zip(self.sizes, self.output_size(complete), strict=True):
            if extent < 1:
                raise InputError(f"{where}: the padding is larger than the unpadded {name} of the output")
        return complete

    def output_size(self, shape: Shape) -> tuple[int, ...]:
        """(size − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1 for every size."""
        names = ("kernel", "stride", "padding", "dilation", "output_padding")
        windows = zip(*(self.window(shape, name) for name in names), strict=True)
        return tuple(
            (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1
            for size, (kernel, stride, padding, dilation, extra) in zip(
                self.input_size(shape), windows, strict=True
            )
        )

    def phases(self, shape: Shape) -> tuple[Phases, ...]:
        """Every dimension in phases."""
        names = ("kernel", "stride", "padding", "dilation")
        windows = (self.window(shape, name) for name in names)
        sizes = (self.input_size(shape), self.output_size(shape))
        return tuple(Phases(*each) for each in zip(*sizes, *windows, strict=True))

    def specs(self, workload: Workload) -> dict[str, TensorSpec]:
        """Input, weight, what the epilogue reads, and output; see the class for the weight's axes."""
        s, types = workload.shape, workload.dtypes
        batch, inputs, outputs = (integer(s, name) for name in ("batch", "in_channels", "out_channels"))
        weight = (inputs, outputs // groups_of(s), *self.window(s, "kernel"))
        result = self.arrange(s, batch, self.output_size(s), (outputs,))
        return {
            "input": TensorSpec(self.arrange(s, batch, self.input_size(s), (inputs,)), types.input),
            "weight": TensorSpec(weight, types.weight, constant=True),
            **finish.operands(workload, result, self.channel_axes(s, 1)[0]),
        }

    def compute(self, workload: Workload) -> list[Any]:
        """Padding, the weight by phases, one reduction over steps and channels, phases in order, epilogue."""
        from tvm import te

        s, types = workload.shape, workload.dtypes
        phases, groups, batch = self.phases(s), groups_of(s), integer(s, "batch")
        inputs, outputs = (split_channels(integer(s, f"{side}_channels"), groups) for side in ("in", "out"))
        ones = [1 for phase in phases if phase.common > 1]
        x = te.placeholder(self.arrange(s, batch, self.input_size(s), inputs), types.input, name="input")
        factors = te.placeholder(
            (*ones, *inputs, outputs[-1], *self.window(s, "kernel")), types.weight, name="weight"
        )
        source = self._padded(s, x, phases, len(inputs))
        weight = _by_phase(phases, factors, (*inputs, outputs[-1]))
        back = [
            te.reduce_axis((0, phase.steps), f"k{letter}")
            for phase, letter in zip(phases, self.letters.lower(), strict=True)
        ]
        channel = te.reduce_axis((0, inputs[-1]), "ci")

        def convolve(n: Any, at: Sequence[Any], phase: Sequence[Any], out: Sequence[Any]) -> Any:
            rows = [p.row(q, t) + max(p.lowest, 0) for p, q, t in zip(phases, at, back, strict=True)]
            value = source[self.arrange(s, n, rows, (*out[:-1], channel))]
            factor = weight(phase, back, (*out[:-1], channel, out[-1]))
            return te.sum(
                value.astype(types.accumulate) * factor.astype(types.accumulate), axis=[*back, channel]
            )

        name = finish.sum_name(workload)
        split = any(phase.stride > 1 for phase in phases)
        extents = [extent for phase in phases for extent in _extents(phase)]
        shape = self.arrange(s, batch, extents, outputs)
        sums = te.compute(
            shape, self._loops(s, phases, convolve, len(outputs)), name="phases" if split else name
        )
        if split:
            sums = self._in_order(s, phases, sums, outputs, name)
        return [x, factors, *finish.stages(workload, sums, self.channel_axes(s, len(outputs)))]

    def _padded(self, shape: Shape, x: Any, phases: Sequence[Phases], channels: int) -> Any:
        before = self.arrange(shape, 0, (max(-p.lowest, 0) for p in phases), (0,) * channels)
        after = self.arrange(shape, 0, (max(p.highest - p.size + 1, 0) for p in phases), (0,) * channels)
        return pad(x, before, after)

    def _loops(
        self, shape: Shape, phases: Sequence[Phases], body: Callable[..., Any], channels: int
    ) -> Callable[..., Any]:
        """`body(batch, rows, phases, out)` as a function of the indices of the sum."""
        names = [
            name for p, letter in zip(phases, self.letters.lower(), strict=True) for name in _names(p, letter)
        ]
        out = ("g", "o")[-channels:]
        order = self.arrange(shape, "n", names, out)

        def of(*index: Any) -> Any:
            by_name = dict(zip(order, index, strict=True))
            rows = [by_name[letter] for letter in self.letters.lower()]
            rest = [by_name[name] for name in names if len(name) > 1]
            return body(by_name["n"], rows, rest, [by_name[name] for name in out])

        return named(order, of)

    def _in_order(
        self, shape: Shape, phases: Sequence[Phases], sums: Any, outputs: tuple[int, ...], name: str
    ) -> Any:
        """The stage that puts the phases of every row and column into their order."""
        from tvm import te

        letters, out = list(self.letters.lower()), ("g", "o")[-len(outputs) :]
        order = self.arrange(shape, "n", letters, out)

        def of(*index: Any) -> Any:
            by_name = dict(zip(order, index, strict=True))
            found = [
                part
                for p, letter in zip(phases, letters, strict=True)
                for part in _present(p, p.phase(by_name[letter]))
            ]
            return sums[self.arrange(shape, by_name["n"], found, [by_name[each] for each in out])]

        extents = self.arrange(shape, integer(shape, "batch"), self.output_size(shape), outputs)
        return te.compute(extents, named(order, of), name=name)

    def reference(self, workload: Workload, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Every input element adds to the outputs of all taps; then the padding is cut off."""
        import numpy as np

        from heron_cli.operators.exact import matmul, sum_type

        s = workload.shape
        groups, kernel, sizes = groups_of(s), self.window(s, "kernel"), self.input_size(s)
        names = ("stride", "padding", "dilation", "output_padding")
        stride, padding, dilation, extra = (self.window(s, name) for name in names)
        x = channels_trailing(arrays["input"], self.channels_last(s))
        weight = arrays["weight"].reshape(groups, -1, *arrays["weight"].shape[1:])
        moved = np.moveaxis(x.reshape(-1, groups, weight.shape[1]), 1, 0)
        whole = [
            (size - 1) * step + d * (k - 1) + more + 1
            for size, step, d, k, more in zip(sizes, stride, dilation, kernel, extra, strict=True)
        ]
        total = np.zeros((len(x), *whole, groups, weight.shape[2]), sum_type(workload.dtypes))
        for tap in np.ndindex(kernel):
            window = tuple(
                slice(t * d, t * d + (size - 1) * step + 1, step)
                for t, d, size, step in zip(tap, dilation, sizes, stride, strict=True)
            )
            product = matmul(moved, weight[:, :, :, *tap], workload.dtypes)
            total[:, *window] += np.moveaxis(product, 0, 1).reshape(len(x), *sizes, groups, -1)
        kept = tuple(slice(p, p + extent) for p, extent in zip(padding, self.output_size(s), strict=True))
        sums = total[:, *kept].reshape(len(x), *self.output_size(s), -1)
        return finish.apply(
            workload, channels_placed(sums, self.channels_last(s)), arrays, self.channel_axes(s, 1)[0]
        )

    def macs(self, workload: Workload) -> int:
        """Input points × taps × output channels of a group: what is cut off afterwards is counted."""
        s = workload.shape
        points = integer(s, "batch") * prod(self.input_size(s)) * integer(s, "in_channels")
        return points * prod(self.window(s, "kernel")) * integer(s, "out_channels") // groups_of(s)

    def products(self, workload: Workload) -> int:
        """Steps × input channels of a group."""
        s = workload.shape
        return prod(p.steps for p in self.phases(s)) * integer(s, "in_channels") // groups_of(s)


def _present(phase: Phases, values: tuple[Any, Any, Any]) -> tuple[Any, ...]:
    """Of (q, j, r) those that a dimension of the sum stands for."""
    q, j, r = values
    return (q, *((j,) if phase.taps > 1 else ()), *((r,) if phase.common > 1 else ()))


def _names(phase: Phases, letter: str) -> tuple[str, ...]:
    return _present(phase, (letter, f"p{letter}", f"r{letter}"))


def _extents(phase: Phases) -> tuple[int, ...]:
    return _present(phase, (phase.rows, phase.taps, phase.common))


def _by_phase(
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

    counts = [n for p in phases for n in _present(p, (0, p.taps, p.common))[1:]]
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
