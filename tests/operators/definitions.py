"""What operators mean, written a second time: every element by itself, in Python integers.

Formulas are PyTorch's. Also random operands of a workload.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_cli.backends.base import Operand
from heron_cli.measure.inputs import random_operands
from heron_cli.operators import registry
from heron_cli.operators.workload import Workload

Array = NDArray[Any]
LETTERS = {1: "W", 2: "HW", 3: "DHW"}
SIZES = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def operands(workload: Workload, seed: int = 0) -> dict[str, Array]:
    operator = registry.get(workload.operator)
    specs = operator.specs(workload).items()
    named = [Operand(name, spec.shape, spec.dtype) for name, spec in specs]
    return random_operands(named, seed, operator.prescribed(workload))


def reference(workload: Workload, arrays: dict[str, Array]) -> Array:
    return registry.get(workload.operator).reference(workload, arrays)


def windows(shape: Any, rank: int, *names: str) -> list[tuple[int, ...]]:
    return [value if isinstance(value := shape[name], tuple) else (value,) * rank for name in names]


def transposed(workload: Workload, arrays: dict[str, Array]) -> Array:
    """conv1d_transpose, conv2d_transpose and conv3d_transpose, with groups."""
    s: Any = workload.shape
    rank = int(workload.operator[4])
    last = s["layout"].endswith("C")
    x, w = arrays["input"].astype(int), arrays["weight"].astype(int)
    x = x if last else np.moveaxis(x, 1, -1)
    names = ("kernel", "stride", "padding", "dilation", "output_padding")
    kernel, stride, padding, dilation, extra = windows(s, rank, *names)
    groups = s.get("groups", 1)
    inputs, outputs = x.shape[-1] // groups, w.shape[1]
    size = [
        (x.shape[1 + i] - 1) * stride[i] - 2 * padding[i] + dilation[i] * (kernel[i] - 1) + extra[i] + 1
        for i in range(rank)
    ]
    result = np.zeros((len(x), *size, groups * outputs), int)
    for n, *at, c in product(*map(range, x.shape)):
        group = c // inputs
        for tap in product(*map(range, kernel)):
            where = [at[i] * stride[i] + tap[i] * dilation[i] - padding[i] for i in range(rank)]
            if all(0 <= where[i] < size[i] for i in range(rank)):
                added = int(x[(n, *at, c)]) * w[(c, slice(None), *tap)]
                result[(n, *where)][group * outputs : (group + 1) * outputs] += added
    return result if last else np.moveaxis(result, -1, 1)


def convolution(workload: Workload, arrays: dict[str, Array]) -> Array:
    """conv1d, conv2d and conv3d, with groups."""
    s: Any = workload.shape
    rank = int(workload.operator[4])
    last = s["layout"].endswith("C")
    x, w = arrays["input"].astype(int), arrays["weight"].astype(int)
    x = x if last else np.moveaxis(x, 1, -1)
    kernel, stride, padding, dilation = windows(s, rank, "kernel", "stride", "padding", "dilation")
    groups = s.get("groups", 1)
    inputs, outputs = x.shape[-1] // groups, len(w) // groups
    size = [
        (x.shape[1 + i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        for i in range(rank)
    ]
    result = np.zeros((len(x), *size, len(w)), int)
    for n, *at, o in product(*map(range, result.shape)):
        group = o // outputs
        for tap in product(*map(range, kernel)):
            where = [at[i] * stride[i] + tap[i] * dilation[i] - padding[i] for i in range(rank)]
            if all(0 <= where[i] < x.shape[1 + i] for i in range(rank)):
                channels = x[(n, *where)][group * inputs : (group + 1) * inputs]
                result[(n, *at, o)] += int(channels @ w[(o, slice(None), *tap)])
    return result if last else np.moveaxis(result, -1, 1)
