"""Two-dimensional convolution in which every channel is a group of its own.

Without a multiplier no axis belongs to weight and output alone (channels are in all three operands), so
there is no matrix product in it and no matrix instruction for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from heron_cli.operators import finish
from heron_cli.operators.base import TensorSpec
from heron_cli.operators.conv2d import operator as grouped
from heron_cli.operators.convolution import Shape, Spatial, named, pad
from heron_cli.operators.parameter import Parameter, Value, integer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.operators.workload import Workload


class Depthwise(Spatial):
    """A grouped conv2d with one input channel and `multiplier` output channels in a group.

    The weight is (channels · multiplier, 1, kernel height, kernel width), as PyTorch's.
    """

    name = "depthwise_conv2d"
    summary = "2-D convolution of every channel by itself, NHWC or NCHW activations"
    sizes = grouped.sizes

    def __init__(self) -> None:
        self.parameters = (
            *self.size_parameters(),
            Parameter("channels", "channels of the input"),
            Parameter("multiplier", "output channels for one of the input", default=1),
            *self.window_parameters(),
            self.layout_parameter(),
        )

    def normalise(self, shape: Mapping[str, object], where: str) -> dict[str, Value]:
        """The complete shape; refuses a window larger than the padded input."""
        complete = super().normalise(shape, where)
        grouped.normalise(_grouped(complete), where)
        return complete

    def specs(self, workload: Workload) -> dict[str, TensorSpec]:
        """Those of the grouped convolution."""
        return grouped.specs(_as_grouped(workload))

    def compute(self, workload: Workload) -> list[Any]:
        """A padding stage where there is padding, one reduction over the window, the epilogue."""
        from tvm import te

        s, types = workload.shape, workload.dtypes
        channels, batch, kernel = integer(s, "channels"), integer(s, "batch"), self.window(s, "kernel")
        stride, padding, dilation = (self.window(s, name) for name in ("stride", "padding", "dilation"))
        outputs = (channels, integer(s, "multiplier"))[: 1 + (integer(s, "multiplier") > 1)]
        x = te.placeholder(self.arrange(s, batch, self.input_size(s), (channels,)), types.input, name="input")
        weight = te.placeholder((*outputs, *kernel), types.weight, name="weight")
        around = self.arrange(s, 0, padding, (0,))
        source = pad(x, around, around)
        taps = [te.reduce_axis((0, n), f"k{letter}") for n, letter in zip(kernel, "hw", strict=True)]
        order = self.arrange(s, "n", "hw", "co"[: len(outputs)])

        def convolve(n: Any, at: Sequence[Any], out: Sequence[Any]) -> Any:
            where = [p * step + tap * d for p, step, tap, d in zip(at, stride, taps, dilation, strict=True)]
            value = source[self.arrange(s, n, where, out[:1])]
            factor = weight[(*out, *taps)]
            return te.sum(value.astype(types.accumulate) * factor.astype(types.accumulate), axis=taps)

        def of(*index: Any) -> Any:
            by_name = dict(zip(order, index, strict=True))
            out = [by_name[name] for name in "co"[: len(outputs)]]
            return convolve(by_name["n"], [by_name["h"], by_name["w"]], out)

        shape = self.arrange(s, batch, grouped.output_size(_grouped(s)), outputs)
        sums = te.compute(shape, named(order, of), name=finish.sum_name(workload))
        return [x, weight, *finish.stages(workload, sums, self.channel_axes(s, len(outputs)))]

    def reference(self, workload: Workload, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """That of the grouped convolution."""
        return grouped.reference(_as_grouped(workload), arrays)

    def macs(self, workload: Workload) -> int:
        """Output points × taps."""
        return grouped.macs(_as_grouped(workload))


def _grouped(shape: Shape) -> dict[str, Value]:
    """The shape of the grouped convolution."""
    known = {name: value for name, value in shape.items() if name not in ("channels", "multiplier")}
    channels = integer(shape, "channels")
    outputs = channels * integer(shape, "multiplier")
    return {**known, "in_channels": channels, "out_channels": outputs, "groups": channels}


def _as_grouped(workload: Workload) -> Workload:
    return replace(workload, operator=grouped.name, shape=_grouped(workload.shape))


operator = Depthwise()
