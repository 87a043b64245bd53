"""The meaning of an einsum by brute force: every iteration, one numpy index a loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_cli.schedule.einsum import Access, Einsum

Array = NDArray[Any]


def iterators(einsum: Einsum) -> dict[str, Array]:
    """The index of every axis and of every part of it, at each point of the iteration space."""
    extents = [axis.extent for axis in einsum.axes]
    grid = np.indices(extents).reshape(len(extents), -1)
    found: dict[str, Array] = {}
    for axis, index in zip(einsum.axes, grid, strict=True):
        rest = index
        for part in reversed(axis.parts):  # the innermost part runs fastest
            found[part.name] = rest % part.extent
            rest = rest // part.extent
        found[axis.name] = index
    return found


def addresses(access: Access, at: Mapping[str, Array]) -> tuple[Array, Array]:
    """Flat element and whether it lies in the data, at each point."""
    points = len(next(iter(at.values())))
    flat, inside = np.zeros(points, np.int64), np.ones(points, bool)
    for dim in access.dims:
        coordinate = dim.offset + sum((at[name] * c for name, c in dim.terms), np.zeros(points, np.int64))
        inside &= (coordinate >= 0) & (coordinate < dim.extent)
        flat += coordinate * dim.stride
    return flat, inside


def evaluate(einsum: Einsum, arrays: Mapping[str, Array], output_size: int) -> Array:
    """The flat output after the epilogue; what lies outside an operand reads as zero, or is not written."""
    at = iterators(einsum)
    product = np.ones(len(next(iter(at.values()))), np.int64)
    for access in (einsum.input, einsum.weight):
        flat, inside = addresses(access, at)
        values = arrays[access.name].ravel().astype(np.int64)
        product *= np.where(inside, values[np.where(inside, flat, 0)], 0)
    flat, written = addresses(einsum.output, at)
    flat = flat[written]
    result = np.zeros(output_size, np.int64)
    np.add.at(result, flat, product[written])
    sums = result.astype(einsum.accumulate)
    for op in einsum.epilogue:
        if op.operand is not None:
            values = arrays[op.operand.name].ravel().astype(einsum.accumulate)
            place, there = addresses(op.operand, at)
            added = np.zeros_like(sums)
            added[flat] = np.where(there, values[np.where(there, place, 0)], 0)[written]
            sums = sums + added
        elif op.kind == "shift":
            wide = sums.astype(np.int64) // (1 << (op.values[0] or 0))
            sums = wide.astype(einsum.accumulate)
        elif op.kind == "clip":
            low, high = op.values
            sums = sums if high is None else np.minimum(sums, high)
            sums = sums if low is None else np.maximum(sums, low)
        else:
            assert op.kind == "cast" and op is einsum.epilogue[-1]
    return sums.astype(einsum.output.dtype)
