"""Aligned arrays, and random inputs over the full range of their type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from heron_cli.elements import is_float, numpy_type

Array = NDArray[Any]
ALIGNMENT = 64


def aligned(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """An uninitialised C-contiguous array that starts on a cache line; `dtype` may be bfloat16."""
    kind = numpy_type(dtype) if isinstance(dtype, str) else np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    raw = np.empty(size + ALIGNMENT, dtype=np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(kind).reshape(tuple(shape))


def random_array(shape: Sequence[int], dtype: str, rng: np.random.Generator) -> Array:
    """Integers over the whole range of `dtype`, aligned; floats are small whole numbers.

    The sums of their products are exact in float32 in any order, up to 2^18 of them.
    """
    array = aligned(shape, dtype)
    if is_float(array.dtype):
        array[...] = rng.integers(-8, 8, size=array.shape, endpoint=True)
        return array
    limits = np.iinfo(array.dtype)
    array[...] = rng.integers(limits.min, limits.max, size=array.shape, dtype=array.dtype, endpoint=True)
    return array


def poison(array: Array) -> None:
    """Fill with a pattern that no result equals by chance, so that elements left unwritten show."""
    array.view(np.uint8).fill(0xA5)
