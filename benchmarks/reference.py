"""What the right answer is, written a second time, apart from heron's own references.

Products are summed in float64, which is exact: every partial sum stays far below 2^53.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from benchmarks.buffers import Array
from benchmarks.onednn.problem import DECONVOLUTION, MATMUL, Problem, Tensor


def reference(described: Problem, arrays: Mapping[str, Array]) -> Array:
    """The exact result in the user's layout and output type."""
    exact: NDArray[np.float64] = np.zeros(described.output.shape)
    data, weight = (
        _logical(getattr(described, name), np.ascontiguousarray(arrays[name]).astype(np.float64))
        for name in ("input", "weight")
    )
    result = _logical(described.output, exact)
    if described.kind == MATMUL:
        result[...] = data @ weight
    else:
        groups = described.groups
        _convolve(
            described,
            data.reshape(data.shape[0], groups, -1, *data.shape[2:]),
            weight.reshape(groups, -1, *weight.shape[-len(described.window.kernel) - 1 :]),
            as_strided(
                result,
                (result.shape[0], groups, result.shape[1] // groups, *result.shape[2:]),
                (result.strides[0], result.strides[1] * (result.shape[1] // groups), *result.strides[1:]),
            ),
        )
    return exact.astype(described.types.output)


def _convolve(described: Problem, data: Array, weight: Array, result: Array) -> None:
    """Add tap by tap. data, result: batch, group, channel, space; weight: group, out, in, window."""
    window = described.window
    scatter = described.kind == DECONVOLUTION  # out[i*stride + offset] += w · in[i], else in and out swapped
    fine_side, coarse_side = (result, data) if scatter else (data, result)
    for tap in itertools.product(*(range(extent) for extent in window.kernel)):
        offsets = [t * d - p for t, d, p in zip(tap, window.dilation, window.before, strict=True)]
        fine, coarse = _overlap(offsets, window.stride, fine_side.shape[3:], coarse_side.shape[3:])
        source, target = (coarse, fine) if scatter else (fine, coarse)
        every: tuple[Any, ...] = (slice(None),) * 3
        taps, patch = weight[every + tap], data[every + source]
        result[every + target] += np.einsum("goc,bgc...->bgo...", taps, patch, optimize=True)


def _logical(tensor: Tensor, array: Array) -> Array:
    """A view of a stored array with oneDNN's order of dimensions."""
    return as_strided(array, tensor.logical, [stride * array.itemsize for stride in tensor.strides])


def _overlap(
    offsets: list[int], strides: tuple[int, ...], fine: tuple[int, ...], coarse: tuple[int, ...]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Per axis, the coarse indices i for which i*stride + offset is inside, and where they land."""
    fine_slices, coarse_slices = [], []
    for offset, stride, limit, count in zip(offsets, strides, fine, coarse, strict=True):
        start = max(0, -(offset // stride))  # the first i with i*stride + offset >= 0
        stop = max(start, min(count, (limit - 1 - offset) // stride + 1))
        coarse_slices.append(slice(start, stop))
        first = start * stride + offset
        fine_slices.append(slice(first, first + (stop - start - 1) * stride + 1, stride))
        if stop == start:
            fine_slices[-1] = slice(0, 0)
    return tuple(fine_slices), tuple(coarse_slices)
