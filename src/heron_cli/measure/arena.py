"""Arrays for kernels that are not trusted: aligned, between guard pages, with canaries around them.

An access that leaves the array by a page is a segmentation fault at once; a write that leaves it by a few
bytes is found by `damage`. The end of the array is as close to the guard page as its alignment allows,
since running over the end is the usual mistake.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_cli.elements import is_float, numpy_type

ALIGNMENT = 64
_CANARY = 0x5C
_POISON_INTEGER = 0xA5  # neither 0, -1 nor a value where 8-bit types saturate
_POISON_FLOAT = 0xFF  # NaN in every float format
_HUGE = 4 << 20  # from this size on numpy asks for huge pages too, so kernels meet them in real use
_PROT_NONE = 0
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def _protect(address: int, size: int, protection: int) -> None:
    if size and _libc.mprotect(address, size, protection) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mprotect: {os.strerror(number)}")


class Guarded:
    """An array of `shape` and `dtype`, 64-byte aligned, in memory of its own."""

    def __init__(self, shape: Sequence[int], dtype: np.dtype[Any] | str) -> None:
        element = numpy_type(dtype) if isinstance(dtype, str) else dtype
        size = int(np.prod(shape, dtype=np.int64)) * element.itemsize
        page = mmap.PAGESIZE
        slot = -(-size // ALIGNMENT) * ALIGNMENT
        body = -(-(slot + page) // page) * page  # at least a page of canary in front
        memory = mmap.mmap(-1, body + 2 * page, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if size >= _HUGE:
            memory.madvise(mmap.MADV_HUGEPAGE)
        whole = np.frombuffer(memory, np.uint8)
        address = whole.ctypes.data
        _protect(address, page, _PROT_NONE)
        _protect(address + page + body, page, _PROT_NONE)
        first = page + body - slot
        self._body = (address + page, body)
        self._before = whole[page:first]
        self._bytes = whole[first : first + size]
        self._after = whole[first + size : first + slot]
        self._before[:] = _CANARY
        self._after[:] = _CANARY
        self._poison = _POISON_FLOAT if is_float(element) else _POISON_INTEGER
        self.array: NDArray[Any] = self._bytes.view(element).reshape(tuple(shape))

    @classmethod
    def holding(cls, values: NDArray[Any]) -> Guarded:
        """A guarded copy of `values` that nobody can write any more: writing is a segmentation fault."""
        guarded = cls(values.shape, values.dtype)
        guarded.array[...] = values
        _protect(*guarded._body, mmap.PROT_READ)
        return guarded

    def poison(self) -> None:
        """Fill the array with a pattern that no right answer has everywhere."""
        self._bytes[:] = self._poison

    def damage(self) -> str:
        """Which canary was overwritten; empty if none was."""
        before = np.flatnonzero(self._before != _CANARY)
        if before.size:
            return f"wrote up to {len(self._before) - before[0]} bytes before its output"
        after = np.flatnonzero(self._after != _CANARY)
        if after.size:
            return f"wrote up to {after[-1] + 1} bytes past the end of its output"
        return ""
