"""Tensors in a GPU's memory, of any library that speaks DLPack or __cuda_array_interface__."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import storage
from .errors import LibraryError
from .producers import device_of

_CUDA, _MANAGED = 2, 13  # DLDeviceType
_KINDS = {0: "int", 1: "uint", 2: "float", 4: "bfloat"}  # DLDataTypeCode
_FAILURES = (AttributeError, BufferError, RuntimeError, TypeError, ValueError)


class _DLTensor(ctypes.Structure):
    """The first member of DLManagedTensor, see dlpack.h."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype = ctypes.c_void_p
_pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)


@dataclass(frozen=True, slots=True)
class DeviceTensor:
    """Where a tensor lies. `strides` in elements, None when dense; `device` -1 when its library does not say.

    `owner` keeps the memory.
    """

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    dtype: str
    device: int
    writable: bool
    owner: object

    @property
    def dense(self) -> bool:
        """Whether its elements lie side by side in row-major order."""
        expected = 1
        for extent, stride in zip(reversed(self.shape), reversed(self.strides or ()), strict=False):
            if extent != 1 and stride != expected:
                return False
            expected *= extent
        return True


def device_tensor(name: str, value: Any, stream: int | None) -> DeviceTensor:
    """Read `value` without a copy. Raises LibraryError when it is no tensor in a GPU's memory.

    `stream` is what its work must be done for, None when it is known to be.
    """
    try:
        if hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__"):
            return _from_dlpack(name, value, stream)
        if hasattr(value, "__cuda_array_interface__"):
            return _from_interface(value)
    except LibraryError:
        raise
    except _FAILURES as error:
        told = str(error).splitlines() or [type(error).__name__]
        raise LibraryError(f"'{name}' cannot be read: {told[0]}") from error
    raise LibraryError(f"'{name}' must be a tensor on the GPU, not {type(value).__name__}")


def _from_dlpack(name: str, value: Any, stream: int | None) -> DeviceTensor:
    kind = int(value.__dlpack_device__()[0])
    if kind not in (_CUDA, _MANAGED):
        raise LibraryError(f"'{name}' must lie in the memory of the GPU, not of the host")
    # In DLPack's numbers -1 asks for no synchronisation and 1 is the default stream.
    with device_of(value):
        capsule = value.__dlpack__(stream=-1 if stream is None else stream or 1)
    tensor = _DLTensor.from_address(_pointer(capsule, b"dltensor"))
    shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
    strides = tuple(tensor.strides[i] for i in range(tensor.ndim)) if tensor.strides else None
    dtype = f"{_KINDS.get(tensor.code, f'code{tensor.code}_')}{tensor.bits}"
    if tensor.lanes != 1:
        dtype += f"x{tensor.lanes}"
    address = (tensor.data or 0) + tensor.byte_offset
    return DeviceTensor(address, shape, strides, dtype, tensor.device_id, True, (value, capsule))


def _from_interface(value: Any) -> DeviceTensor:
    held = value.__cuda_array_interface__
    dtype = np.dtype(held["typestr"])
    address, read_only = held["data"]
    strides = held.get("strides")
    if strides is not None:
        strides = tuple(stride // dtype.itemsize for stride in strides)
    return DeviceTensor(address, tuple(held["shape"]), strides, dtype.name, -1, not read_only, value)


def check_tensor(operand: Mapping[str, Any], tensor: DeviceTensor, alignment: int) -> None:
    """Raises LibraryError unless a kernel can take the tensor as this operand."""
    name, shape = operand["name"], tuple(operand["shape"])
    if tensor.shape != shape or tensor.dtype not in (operand["dtype"], storage(operand["dtype"]).name):
        raise LibraryError(
            f"'{name}' is {tensor.dtype} {tensor.shape}; the kernel takes {operand['dtype']} {shape}"
        )
    if not tensor.dense:
        raise LibraryError(f"'{name}' must be contiguous")
    if tensor.address % alignment:
        raise LibraryError(f"'{name}' must lie on a {alignment}-byte boundary")
