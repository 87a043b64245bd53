"""Two-dimensional convolution with PyTorch's meaning of stride, padding and dilation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from heron_cli.errors import InputError
from heron_cli.operators import finish
from heron_cli.operators.base import Operator, TensorSpec
from heron_cli.operators.parameter import Parameter, Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.operators.workload import Workload

_PERMUTE = {"NHWC": (0, 1, 2, 3), "NCHW": (0, 3, 1, 2)}
_CHANNEL = {"NHWC": 3, "NCHW": 1}


class Conv2d(Operator):
    """Convolution with a constant weight.

    Activations are (batch, height, width, channels), or channels second with layout NCHW; the weight is
    (out_channels, in_channels, kernel height, kernel width) in either case.
    """

    name = "conv2d"
    summary = "2-D convolution (cross-correlation) with a constant weight, NHWC or NCHW activations"
    parameters = (
        Parameter("batch", "images", default=1),
        Parameter("height", "rows of an input image"),
        Parameter("width", "columns of an input image"),
        Parameter("in_channels", "channels of the input"),
        Parameter("out_channels", "channels of the output"),
        Parameter("kernel", "height and width of the window", rank=2),
        Parameter("stride", "step of the window", rank=2, default=(1, 1)),
        Parameter("padding", "zeros on both sides of height and width", rank=2, default=(0, 0), minimum=0),
        Parameter("dilation", "distance between taps", rank=2, default=(1, 1)),
        Parameter("layout", "order of the activations' axes", default="NHWC", choices=("NHWC", "NCHW")),
    )

    def normalise(self, shape: Mapping[str, object], where: str) -> dict[str, Value]:
        """The complete shape; refuses a window that is larger than the padded image."""
        complete = super().normalise(shape, where)
        for axis, extent in enumerate(_output_size(complete)):
            if extent < 1:
                name = ("height", "width")[axis]
                raise InputError(f"{where}: the dilated kernel is larger than the padded {name}")
        return complete

    def specs(self, workload: Workload) -> dict[str, TensorSpec]:
        """Input, weight, what the epilogue reads, and output; see the class for their axes."""
        s, types = workload.shape, workload.dtypes
        order = _PERMUTE[str(s["layout"])]
        image = (s["batch"], s["height"], s["width"], s["in_channels"])
        result = (s["batch"], *_output_size(s), s["out_channels"])
        kh, kw = _pair(s, "kernel")
        return {
            "input": TensorSpec(tuple(_int(image[i]) for i in order), types.input),
            "weight": TensorSpec(
                (_int(s["out_channels"]), _int(s["in_channels"]), kh, kw), types.weight, constant=True
            ),
            **finish.operands(workload, tuple(_int(result[i]) for i in order), _CHANNEL[str(s["layout"])]),
        }

    def compute(self, workload: Workload) -> list[Any]:
        """A padding stage where there is padding, one reduction over window and channels, the epilogue."""
        from tvm import te, tirx

        s, types, specs = workload.shape, workload.dtypes, self.specs(workload)
        order = _PERMUTE[str(s["layout"])]
        (sh, sw), (ph, pw), (dh, dw) = (_pair(s, name) for name in ("stride", "padding", "dilation"))
        height, width, (kh, kw) = _int(s["height"]), _int(s["width"]), _pair(s, "kernel")
        x = te.placeholder(specs["input"].shape, types.input, name="input")
        weight = te.placeholder(specs["weight"].shape, types.weight, name="weight")

        def at(tensor: Any, *nhwc: Any) -> Any:
            return tensor[tuple(nhwc[i] for i in order)]

        def pad(*index: Any) -> Any:
            n, h, w, c = (index[order.index(i)] for i in range(4))
            inside = tirx.all(h >= ph, h < height + ph, w >= pw, w < width + pw)
            return tirx.if_then_else(inside, at(x, n, h - ph, w - pw, c), tirx.const(0, types.input))

        padded = (_int(s["batch"]), height + 2 * ph, width + 2 * pw, _int(s["in_channels"]))
        source = te.compute(tuple(padded[i] for i in order), pad, name="pad") if ph or pw else x
        rh, rw = te.reduce_axis((0, kh), "kh"), te.reduce_axis((0, kw), "kw")
        rc = te.reduce_axis((0, padded[3]), "ci")

        def convolve(n: Any, h: Any, w: Any, o: Any) -> Any:
            tap = at(source, n, h * sh + rh * dh, w * sw + rw * dw, rc)
            return te.sum(
                tap.astype(types.accumulate) * weight[o, rc, rh, rw].astype(types.accumulate),
                axis=[rh, rw, rc],
            )

        loops = {
            "NHWC": convolve,
            "NCHW": lambda n, o, h, w: convolve(n, h, w, o),
        }  # TE reads loop names here
        layout = str(s["layout"])
        sums = te.compute(specs["output"].shape, loops[layout], name=finish.sum_name(workload))
        return [x, weight, *finish.stages(workload, sums, _CHANNEL[layout])]

    def reference(self, workload: Workload, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """A sum over the taps of exact matrix products."""
        import numpy as np

        from heron_cli.operators.exact import matmul

        s = workload.shape
        order = _PERMUTE[str(s["layout"])]
        (sh, sw), (ph, pw), (dh, dw) = (_pair(s, name) for name in ("stride", "padding", "dilation"))
        (kh, kw), (oh, ow) = _pair(s, "kernel"), _output_size(s)
        x = np.transpose(arrays["input"], np.argsort(order))
        x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
        total = np.zeros((_int(s["batch"]), oh, ow, _int(s["out_channels"])), workload.dtypes.accumulate)
        for r in range(kh):
            for c in range(kw):
                rows = slice(r * dh, r * dh + (oh - 1) * sh + 1, sh)
                columns = slice(c * dw, c * dw + (ow - 1) * sw + 1, sw)
                total += matmul(x[:, rows, columns, :], arrays["weight"][:, :, r, c].T, workload.dtypes)
        sums = np.transpose(total, order)
        return finish.apply(workload, sums, arrays, _CHANNEL[str(s["layout"])])

    def macs(self, workload: Workload) -> int:
        """Output points × taps × input channels."""
        s = workload.shape
        oh, ow = _output_size(s)
        kh, kw = _pair(s, "kernel")
        return _int(s["batch"]) * oh * ow * _int(s["out_channels"]) * _int(s["in_channels"]) * kh * kw


def _int(value: Value) -> int:
    assert isinstance(value, int)
    return value


def _pair(shape: Mapping[str, Value], name: str) -> tuple[int, int]:
    value = shape[name]
    assert isinstance(value, tuple)
    return value[0], value[1]


def _output_size(shape: Mapping[str, Value]) -> tuple[int, int]:
    """(size + 2·padding − dilation·(kernel − 1) − 1) // stride + 1 for height and width."""
    size = (_int(shape["height"]), _int(shape["width"]))
    kernel, stride, padding, dilation = (
        _pair(shape, name) for name in ("kernel", "stride", "padding", "dilation")
    )
    oh, ow = (
        (size[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in range(2)
    )
    return oh, ow


operator = Conv2d()
