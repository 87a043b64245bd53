"""Tensors "on the GPU" for a stand-in of the driver that keeps device memory in the host's."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from heron_cli.library.loader.arrays import aligned_empty

_DESTRUCTOR = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)


def on_gpu(array: Any, offset: int = 0) -> np.ndarray:
    """A copy that starts `offset` bytes past a 64-byte boundary."""
    room = aligned_empty((array.nbytes + offset,), np.uint8)
    placed = room[offset:].view(array.dtype).reshape(array.shape)
    placed[...] = array
    return placed


class Interface:
    """Speaks __cuda_array_interface__."""

    def __init__(self, array: np.ndarray, stream: int | None = None, read_only: bool = False) -> None:
        self.array, self.stream, self.read_only = array, stream, read_only

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        dense = self.array.flags.c_contiguous
        found = {
            "shape": self.array.shape,
            "typestr": self.array.dtype.str,
            "data": (self.array.ctypes.data, self.read_only),
            "strides": None if dense else self.array.strides,
            "version": 3,
        }
        return found if self.stream is None else {**found, "stream": self.stream}


class _Managed(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p), ("device", ctypes.c_int32 * 2), ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
        ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p), ("byte_offset", ctypes.c_uint64),
        ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
    )  # fmt: skip


_NAME = b"dltensor"  # a capsule keeps the pointer only
_kept: dict[int, tuple[Any, ...]] = {}
_address_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _DESTRUCTOR)(
    ("PyCapsule_New", ctypes.pythonapi)
)


@_DESTRUCTOR
def _destroy(capsule: int) -> None:
    del _kept[_address_of(capsule, _NAME)]


class Exporter:
    """Speaks DLPack; remembers the streams that it was asked to be ready for."""

    def __init__(self, array: np.ndarray, device: int = 0, kind: int = 2, offset: int = 0) -> None:
        self.array, self.place, self.offset = array, (kind, device), offset
        self.asked: list[int | None] = []

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.place

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        self.asked.append(stream)
        array, held = self.array, _Managed()
        sizes = (ctypes.c_int64 * array.ndim)(*array.shape)
        steps = (ctypes.c_int64 * array.ndim)(*(s // array.itemsize for s in array.strides))
        held.data, held.byte_offset = array.ctypes.data - self.offset, self.offset
        held.device[:] = self.place
        held.ndim, held.bits, held.lanes = array.ndim, 8 * array.itemsize, 1
        held.code = {"i": 0, "u": 1, "f": 2, "V": 4}[array.dtype.kind]
        held.shape = ctypes.addressof(sizes)
        held.strides = None if array.flags.c_contiguous else ctypes.addressof(steps)

        _kept[ctypes.addressof(held)] = (sizes, steps, held)
        return _new_capsule(ctypes.addressof(held), _NAME, _destroy)


def alive() -> int:
    """Capsules that nobody has let go."""
    return len(_kept)
