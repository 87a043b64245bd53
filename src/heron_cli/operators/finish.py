"""The epilogue of any operator: its operands, its TE stages, its meaning in numpy.

An operator's file computes the sums and says which axis of the output counts channels; the rest is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from heron_cli.operators.base import TensorSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.operators.workload import Workload

OUTPUT = "output"


def operands(workload: Workload, shape: tuple[int, ...], channel: int) -> dict[str, TensorSpec]:
    """`bias` (channels,) in the sums' type, constant; `residual` like the output; `output`, in this order."""
    epilogue, types = workload.epilogue, workload.dtypes
    found = {}
    if epilogue.bias:
        found["bias"] = TensorSpec((shape[channel],), types.accumulate, constant=True)
    if epilogue.residual:
        found["residual"] = TensorSpec(shape, types.output)
    return {**found, OUTPUT: TensorSpec(shape, types.output)}


def sum_name(workload: Workload) -> str:
    """What the TE tensor of the sums is called: `output` where nothing is done to them."""
    types = workload.dtypes
    return OUTPUT if workload.epilogue.empty and types.output == types.accumulate else "sum"


def stages(workload: Workload, sums: Any, channel: tuple[int, ...]) -> list[Any]:
    """The TE tensors of `operands`, in order; one stage for every step from `sums` to the output.

    `channel` lists the dimensions of `sums` that count channels: several where the TE views them so.
    """
    from tvm import te, tirx

    epilogue, types = workload.epilogue, workload.dtypes
    shape = tuple(int(extent) for extent in sums.shape)
    shapes = {"bias": tuple(shape[axis] for axis in channel), "residual": shape}
    read = {
        name: te.placeholder(shapes[name], spec.dtype, name=name)
        for name, spec in operands(workload, shape, channel[0]).items()
        if name != OUTPUT
    }

    def number(value: int) -> Any:
        return tirx.const(value, types.accumulate)

    def step(name: str, of: Any) -> None:
        nonlocal sums
        before = sums
        sums = te.compute(shape, lambda *index: of(before[index], index), name=name)

    def clip(value: Any, index: Any) -> Any:
        value = value if epilogue.high is None else tirx.min(value, number(epilogue.high))
        return value if epilogue.low is None else tirx.max(value, number(epilogue.low))

    if epilogue.bias:
        step("biased", lambda value, index: value + read["bias"][tuple(index[axis] for axis in channel)])
    if epilogue.shift:
        step("shifted", lambda value, index: value >> number(epilogue.shift))
    if epilogue.residual:
        step("joined", lambda value, index: value + read["residual"][index].astype(types.accumulate))
    if epilogue.clips:
        step("clipped", clip)
    if sum_name(workload) != OUTPUT:
        step(OUTPUT, lambda value, index: value.astype(types.output))
    return [*read.values(), sums]


def apply(
    workload: Workload, sums: NDArray[Any], arrays: Mapping[str, NDArray[Any]], channel: int
) -> NDArray[Any]:
    """The output by numpy, from the sums as `exact.matmul` gives them.

    Integers wrap in the sums' type and shift arithmetically, as the hardware does. A float output is not
    rounded: `expected` says by how much a kernel may differ.
    """
    import numpy as np

    from heron_cli.elements import is_float, numpy_type

    epilogue, output = workload.epilogue, numpy_type(workload.dtypes.output)
    if epilogue.bias:
        bias = arrays["bias"].astype(sums.dtype)
        sums = sums + bias.reshape([-1 if i == channel else 1 for i in range(sums.ndim)])
    if epilogue.shift:
        sums = sums >> sums.dtype.type(epilogue.shift)
    if epilogue.residual:
        sums = sums + arrays["residual"].astype(sums.dtype)
    if epilogue.clips:
        bounds = (None if b is None else sums.dtype.type(b) for b in (epilogue.low, epilogue.high))
        sums = np.clip(sums, *bounds)
    if is_float(output):
        output = sums.dtype if is_float(sums.dtype) else np.dtype(np.float64)
    return np.ascontiguousarray(sums.astype(output))
