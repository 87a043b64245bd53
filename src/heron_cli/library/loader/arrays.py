"""Arrays for kernels: where they lie, what they hold, how numpy reads those of other libraries."""

from __future__ import annotations

import ctypes
import math
import string
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import LibraryError

ALIGNMENT = 64
Array = NDArray[Any]


def aligned_empty(shape: Any, dtype: Any) -> Array:
    """An uninitialised C-contiguous array on a 64-byte boundary."""
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    array: Array = raw[start : start + size].view(kind).reshape(tuple(shape))
    return array


def as_array(operand: Mapping[str, Any], value: Any) -> Array:
    """`value` as a numpy array, without a copy where DLPack allows. Raises LibraryError."""
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            raise LibraryError(f"'{operand['name']}' cannot be read through DLPack: {error}") from error
    raise LibraryError(f"'{operand['name']}' must be an array, not {type(value).__name__}")


def storage(dtype: str) -> np.dtype[Any]:
    """How numpy holds a dtype: bfloat16, which it does not know, as the 16 bits."""
    try:
        return np.dtype(dtype)
    except TypeError:
        return np.dtype(f"uint{dtype.lstrip(string.ascii_letters)}")


def check_operand(operand: Mapping[str, Any], array: Array) -> None:
    """Raises LibraryError unless the array has the operand's shape and dtype."""
    shape = tuple(operand["shape"])
    if array.shape != shape or array.dtype.name not in (operand["dtype"], storage(operand["dtype"]).name):
        raise LibraryError(
            f"'{operand['name']}' is {array.dtype.name} {array.shape}; "
            f"the kernel takes {operand['dtype']} {shape}"
        )


def is_aligned(array: Array) -> bool:
    """Whether a kernel takes the array as it is."""
    return array.flags.c_contiguous and array.ctypes.data % ALIGNMENT == 0


def is_immutable(array: Array) -> bool:
    """Whether no array shares this memory writably: what was packed of it stays true."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if base.flags.writeable:
            return False
        base = base.base
    return base is None or isinstance(base, bytes)


def pointer(array: Array) -> ctypes.c_void_p:
    """The address of the first element, for C."""
    return ctypes.c_void_p(array.ctypes.data)
