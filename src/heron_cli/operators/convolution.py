"""Convolutions of any number of dimensions with PyTorch's meaning of stride, padding, dilation and groups.

Activations are (batch, sizes…, channels), or channels second where the layout says so; the weight is
(out_channels, in_channels / groups, kernel…) in either case. With groups, the einsum has an axis for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter as Argument
from inspect import Signature
from math import prod
from typing import TYPE_CHECKING, Any

from heron_cli.errors import InputError
from heron_cli.operators import finish
from heron_cli.operators.base import Operator, TensorSpec
from heron_cli.operators.parameter import Parameter, Value, integer, integers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.operators.workload import Workload

Shape = Mapping[str, Value]
_MEANINGS = {
    "depth": "planes of an input volume",
    "height": "rows of an input image",
    "width": "columns of an input image",
}


class Spatial(Operator):
    """What convolutions over `sizes` (outermost first) have in common: parameters, layouts, views.

    Views are the tensors of the TE: with groups, channels are two dimensions, (group, channel of the group).
    """

    sizes: tuple[str, ...]

    @property
    def letters(self) -> str:
        """One letter for every size: DHW."""
        return "".join(size[0].upper() for size in self.sizes)

    @property
    def rank(self) -> int:
        """Number of spatial dimensions."""
        return len(self.sizes)

    def size_parameters(self) -> tuple[Parameter, ...]:
        """Batch and sizes."""
        sizes = tuple(Parameter(size, _MEANINGS[size]) for size in self.sizes)
        return (Parameter("batch", "images", default=1), *sizes)

    def window_parameters(self) -> tuple[Parameter, ...]:
        """Kernel, stride, padding, dilation."""
        names, ones = " and ".join(self.sizes), (1,) * self.rank
        rank = self.rank if self.rank > 1 else 0
        one: Value = ones if rank else 1
        zero: Value = (0,) * rank if rank else 0
        return (
            Parameter("kernel", f"{names} of the window", rank=rank),
            Parameter("stride", "step of the window", rank=rank, default=one),
            Parameter("padding", f"zeros on both sides of {names}", rank=rank, default=zero, minimum=0),
            Parameter("dilation", "distance between taps", rank=rank, default=one),
        )

    def layout_parameter(self) -> Parameter:
        """Channels last or second."""
        layouts = (f"N{self.letters}C", f"NC{self.letters}")
        return Parameter("layout", "order of the activations' axes", default=layouts[0], choices=layouts)

    def window(self, shape: Shape, name: str) -> tuple[int, ...]:
        """A parameter that has one value for each size."""
        return integers(shape, name)

    def input_size(self, shape: Shape) -> tuple[int, ...]:
        """Extents of the input's spatial dimensions."""
        return tuple(integer(shape, size) for size in self.sizes)

    def channels_last(self, shape: Shape) -> bool:
        """Whether channels trail."""
        return str(shape["layout"]).endswith("C")

    def arrange(
        self, shape: Shape, batch: Any, sizes: Iterable[Any], channels: Iterable[Any]
    ) -> tuple[Any, ...]:
        """One value for each dimension of an activation, in the order of the layout."""
        inner = (*sizes, *channels) if self.channels_last(shape) else (*channels, *sizes)
        return (batch, *inner)

    def channel_axes(self, shape: Shape, count: int) -> tuple[int, ...]:
        """Places of the channels' dimensions of a view, `count` (1, or 2 with groups) of them."""
        first = 1 + self.rank if self.channels_last(shape) else 1
        return tuple(range(first, first + count))


class Convolution(Spatial):
    """Convolution (cross-correlation) with a constant weight."""

    def __init__(self, name: str, sizes: tuple[str, ...]) -> None:
        self.name, self.sizes = name, sizes
        self.summary = (
            f"{self.rank}-D convolution (cross-correlation) with a constant weight, "
            f"N{self.letters}C or NC{self.letters} activations"
        )
        self.parameters = (
            *self.size_parameters(),
            Parameter("in_channels", "channels of the input"),
            Parameter("out_channels", "channels of the output"),
            *self.window_parameters(),
            self.layout_parameter(),
            Parameter("groups", "groups that channels fall into", default=1, implied=True),
        )

    def normalise(self, shape: Mapping[str, object], where: str) -> dict[str, Value]:
        """The complete shape; refuses groups that do not divide and a window larger than the padded input."""
        complete = super().normalise(shape, where)
        check_groups(complete, where)
        for name, extent in zip(self.sizes, self.output_size(complete), strict=True):
            if extent < 1:
                raise InputError(f"{where}: the dilated kernel is larger than the padded {name}")
        return complete

    def output_size(self, shape: Shape) -> tuple[int, ...]:
        """(size + 2·padding − dilation·(kernel − 1) − 1) // stride + 1 for every size."""
        names = ("kernel", "stride", "padding", "dilation")
        windows = zip(*(self.window(shape, name) for name in names), strict=True)
        return tuple(
            (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            for size, (kernel, stride, padding, dilation) in zip(self.input_size(shape), windows, strict=True)
        )

    def specs(self, workload: Workload) -> dict[str, TensorSpec]:
        """Input, weight, what the epilogue reads, and output; see the module for their axes."""
        s, types = workload.shape, workload.dtypes
        batch, inputs, outputs = (integer(s, name) for name in ("batch", "in_channels", "out_channels"))
        weight = (outputs, inputs // groups_of(s), *self.window(s, "kernel"))
        result = self.arrange(s, batch, self.output_size(s), (outputs,))
        return {
            "input": TensorSpec(self.arrange(s, batch, self.input_size(s), (inputs,)), types.input),
            "weight": TensorSpec(weight, types.weight, constant=True),
            **finish.operands(workload, result, self.channel_axes(s, 1)[0]),
        }

    def compute(self, workload: Workload) -> list[Any]:
        """A padding stage where there is padding, one reduction over window and channels, the epilogue."""
        from tvm import te

        s, types = workload.shape, workload.dtypes
        groups, kernel, batch = groups_of(s), self.window(s, "kernel"), integer(s, "batch")
        inputs, outputs = (split_channels(integer(s, f"{side}_channels"), groups) for side in ("in", "out"))
        stride, padding, dilation = (self.window(s, name) for name in ("stride", "padding", "dilation"))
        shape = self.arrange(s, batch, self.input_size(s), inputs)
        x = te.placeholder(shape, types.input, name="input")
        weight = te.placeholder((*outputs, inputs[-1], *kernel), types.weight, name="weight")
        around = self.arrange(s, 0, padding, (0,) * len(inputs))
        source = pad(x, around, around)
        taps = [
            te.reduce_axis((0, extent), f"k{letter}")
            for extent, letter in zip(kernel, self.letters.lower(), strict=True)
        ]
        channel = te.reduce_axis((0, inputs[-1]), "ci")

        def convolve(batch: Any, at: Sequence[Any], out: Sequence[Any]) -> Any:
            where = [p * step + tap * d for p, step, tap, d in zip(at, stride, taps, dilation, strict=True)]
            value = source[self.arrange(s, batch, where, (*out[:-1], channel))]
            factor = weight[(*out, channel, *taps)]
            return te.sum(
                value.astype(types.accumulate) * factor.astype(types.accumulate), axis=[*taps, channel]
            )

        sums = te.compute(
            self.arrange(s, batch, self.output_size(s), outputs),
            self.loops(s, convolve, len(outputs)),
            name=finish.sum_name(workload),
        )
        return [x, weight, *finish.stages(workload, sums, self.channel_axes(s, len(outputs)))]

    def loops(self, shape: Shape, body: Callable[..., Any], channels: int) -> Callable[..., Any]:
        """`body(batch, at, out)` as a function of the output's indices, which TE names after the letters."""
        sizes = list(self.letters.lower())
        names = self.arrange(shape, "n", sizes, ("g", "o")[-channels:])

        def of(*index: Any) -> Any:
            by_name = dict(zip(names, index, strict=True))
            out = [by_name[name] for name in ("g", "o")[-channels:]]
            return body(by_name["n"], [by_name[size] for size in sizes], out)

        return named(names, of)

    def reference(self, workload: Workload, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """A sum over the taps of exact matrix products."""
        import numpy as np

        from heron_cli.operators.exact import matmul, sum_type

        s = workload.shape
        groups, kernel, sizes = groups_of(s), self.window(s, "kernel"), self.output_size(s)
        stride, padding, dilation = (self.window(s, name) for name in ("stride", "padding", "dilation"))
        x = channels_trailing(arrays["input"], self.channels_last(s))
        x = np.pad(x, ((0, 0), *((p, p) for p in padding), (0, 0)))
        weight = arrays["weight"].reshape(groups, -1, *arrays["weight"].shape[1:])
        points, inputs = prod((x.shape[0], *sizes)), weight.shape[2]
        total = np.zeros((groups, points, weight.shape[1]), sum_type(workload.dtypes))
        for tap in np.ndindex(kernel):
            window = tuple(
                slice(t * d, t * d + (size - 1) * step + 1, step)
                for t, d, size, step in zip(tap, dilation, sizes, stride, strict=True)
            )
            moved = np.moveaxis(x[:, *window].reshape(points, groups, inputs), 1, 0)
            total += matmul(moved, np.swapaxes(weight[:, :, :, *tap], 1, 2), workload.dtypes)
        sums = np.moveaxis(total, 0, 1).reshape(x.shape[0], *sizes, -1)
        return finish.apply(
            workload, channels_placed(sums, self.channels_last(s)), arrays, self.channel_axes(s, 1)[0]
        )

    def macs(self, workload: Workload) -> int:
        """Output points × taps × input channels of a group."""
        s = workload.shape
        points = integer(s, "batch") * prod(self.output_size(s)) * integer(s, "out_channels")
        return points * prod(self.window(s, "kernel")) * integer(s, "in_channels") // groups_of(s)

    def products(self, workload: Workload) -> int:
        """Taps × input channels of a group."""
        s = workload.shape
        return prod(self.window(s, "kernel")) * integer(s, "in_channels") // groups_of(s)


def groups_of(shape: Shape) -> int:
    """Groups of channels, 1 where the shape does not say."""
    return integer(shape, "groups") if "groups" in shape else 1


def check_groups(shape: Shape, where: str) -> None:
    """Raises InputError if the groups do not divide the channels."""
    groups = groups_of(shape)
    for name in ("in_channels", "out_channels"):
        if integer(shape, name) % groups:
            raise InputError(f"{where}: groups is {groups}; it divides {name}, which is {shape[name]}")


def split_channels(channels: int, groups: int) -> tuple[int, ...]:
    """The channels' dimensions of a view: (group, channel of the group), or one without groups."""
    return (channels,) if groups == 1 else (groups, channels // groups)


def pad(tensor: Any, before: Sequence[int], after: Sequence[int]) -> Any:
    """The TE tensor with zeros before and after it in each dimension; itself where there are none."""
    from tvm import te, tirx

    if not any(before) and not any(after):
        return tensor
    shape = [int(extent) for extent in tensor.shape]

    def value(*index: Any) -> Any:
        at = [i - p for i, p in zip(index, before, strict=True)]
        inside = [i >= p for i, p in zip(index, before, strict=True) if p]
        inside += [i < n + p for i, n, p, q in zip(index, shape, before, after, strict=True) if q]
        return tirx.if_then_else(tirx.all(*inside), tensor[tuple(at)], tirx.const(0, tensor.dtype))

    padded = tuple(p + extent + q for p, extent, q in zip(before, shape, after, strict=True))
    return te.compute(padded, value, name="pad")


def named(names: Sequence[str], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with named arguments, after which TE calls its loops."""
    arguments = [Argument(name, Argument.POSITIONAL_OR_KEYWORD) for name in names]
    function.__signature__ = Signature(arguments)  # type: ignore[attr-defined]
    return function


def channels_trailing(array: NDArray[Any], last: bool) -> NDArray[Any]:
    """An activation with its channels last, whatever its layout (a view)."""
    import numpy as np

    return array if last else np.moveaxis(array, 1, -1)


def channels_placed(array: NDArray[Any], last: bool) -> NDArray[Any]:
    """The inverse of `channels_trailing`."""
    import numpy as np

    return array if last else np.moveaxis(array, -1, 1)
