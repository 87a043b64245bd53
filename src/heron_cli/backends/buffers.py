"""Memory for kernel operands: arrays whose first byte lies on a 64-byte boundary."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike, NDArray

ALIGNMENT = 64


def aligned_empty(shape: Sequence[int], dtype: DTypeLike, alignment: int = ALIGNMENT) -> NDArray[Any]:
    """An uninitialised C-contiguous array at an address that `alignment` divides."""
    import numpy as np

    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    raw = np.empty(size + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    array: NDArray[Any] = raw[start : start + size].view(kind).reshape(tuple(shape))
    return array


def aligned(array: NDArray[Any], alignment: int = ALIGNMENT) -> NDArray[Any]:
    """`array` itself when it is C-contiguous and aligned, else a copy that is."""
    if array.flags.c_contiguous and array.ctypes.data % alignment == 0:
        return array
    copy = aligned_empty(array.shape, array.dtype, alignment)
    copy[...] = array
    return copy


def item_bytes(dtype: str) -> int:
    """Bytes of one element of a dtype given by name: ``uint8``, ``bfloat16``; numpy need not know it.

    Raises ValueError for a name that does not end in a multiple of 8 bits.
    """
    bits = re.search(r"[1-9]\d*$", dtype)
    if bits is None or int(bits.group()) % 8:
        raise ValueError(f"dtype '{dtype}' does not occupy whole bytes")
    return int(bits.group()) // 8
