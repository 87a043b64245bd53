"""Transposed convolutions of any number of dimensions, with PyTorch's meaning, as one einsum of phases.

`phases.py` derives the phases. All of them are one kernel: they read the same input, and schedules share
tiles among them. What one phase has more taps than another are taps outside the kernel, which a code
generator may leave out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
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
    seen,
    split_channels,
)
from heron_cli.operators.parameter import Parameter, Value, integer
from heron_cli.operators.phases import Phases, by_phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.operators.workload import Workload


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
        s = workload.shape
        inputs, outputs = (integer(s, name) for name in ("in_channels", "out_channels"))
        weight = (inputs, outputs // groups_of(s), *self.window(s, "kernel"))
        return self.operands(workload, weight, self.output_size(s))

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
        weight = by_phase(phases, factors, (*inputs, outputs[-1]))
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
        extents = [extent for phase in phases for extent in phase.extents]
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
            name for p, letter in zip(phases, self.letters.lower(), strict=True) for name in p.names(letter)
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
                for part in p.present(p.phase(by_name[letter]))
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
            window = seen(tap, dilation, sizes, stride)
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
