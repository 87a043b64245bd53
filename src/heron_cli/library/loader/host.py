"""Libraries for the CPU of this machine, on numpy arrays."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import (
    ALIGNMENT,
    Array,
    aligned_empty,
    as_array,
    check_operand,
    is_aligned,
    is_immutable,
    pointer,
    storage,
)
from .errors import LibraryError, MachineError
from .kernel import Kernel, PackedOperand
from .library import Library

_UNSUPPORTED_CPU, _KERNEL_FAILED = 2, 6  # of heron_status


class HostKernel(Kernel):
    """See `Kernel`."""

    library: HostLibrary

    def __init__(self, library: HostLibrary, index: int, entry: Mapping[str, Any]) -> None:
        super().__init__(library, entry)
        self.missing_cpu_feature = library.missing_cpu_feature(index)
        self.obstacle = self.missing_cpu_feature and f"it lacks {self.missing_cpu_feature}"
        self._run = library.function(self.symbol)
        self._pack = library.function(entry["pack_symbol"]) if entry["pack_symbol"] else None
        self._cache: dict[int, tuple[weakref.ref[Array], PackedOperand]] = {}

    def __call__(self, *operands: Any, out: Array | None = None) -> Array:
        """The result, written to `out` when that is given (64-byte aligned; see `aligned_empty`).

        Operands are numpy arrays or DLPack exporters; those that are not aligned are copied. A constant
        operand may be the result of `pack` or the array itself, which is then packed in this call, and
        remembered when the array is read-only. Raises LibraryError.
        """
        output = self.operands[-1]
        buffers = [self._buffer(operand, value) for operand, value in self.paired(operands)]
        if out is None:
            out = aligned_empty(output["shape"], storage(output["dtype"]))
        elif not isinstance(out, np.ndarray):
            raise LibraryError(f"'{output['name']}' must be a numpy array, not {type(out).__name__}")
        check_operand(output, out)
        if not is_aligned(out) or not out.flags.writeable:
            raise LibraryError(
                f"'{output['name']}' must be writable, C-contiguous and {ALIGNMENT}-byte aligned; "
                "make it with aligned_empty()"
            )
        self._check(self._run(*map(pointer, [*buffers, out])))
        return out

    def pack(self, constant: Any) -> PackedOperand:
        """The packed form of the constant operand, for any number of calls. Raises LibraryError."""
        operand = self.constant()
        assert self._pack is not None
        array = as_array(operand, constant)
        held = self._cache.get(id(array))
        if held is not None and held[0]() is array:
            return held[1]
        check_operand(operand, array)
        source = np.ascontiguousarray(array)
        data = aligned_empty((operand["packed_bytes"],), np.uint8)
        self._check(self._pack(pointer(source), pointer(data)))
        packed = PackedOperand(self, data)
        if is_immutable(array):
            key = id(array)
            self._cache[key] = (weakref.ref(array, lambda _: self._cache.pop(key, None)), packed)
        return packed

    def _buffer(self, operand: Mapping[str, Any], value: Any) -> Array:
        if operand["packed_bytes"] is not None:
            packed = value if isinstance(value, PackedOperand) else self.pack(value)
            data: Array = self.own(operand["name"], packed)
            return data
        array = as_array(operand, value)
        check_operand(operand, array)
        if is_aligned(array):
            return array
        copy = aligned_empty(array.shape, array.dtype)
        copy[...] = array
        return copy

    def _check(self, status: int) -> None:
        detail = self.library.last_error() if status == _KERNEL_FAILED else ""
        if status == _UNSUPPORTED_CPU:
            detail = str(self.missing_cpu_feature)
        self.library.check(status, self.workload, detail)


class HostLibrary(Library):
    """See `Library`."""

    kernels: list[HostKernel]

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        super().__init__(path, manifest)
        self._missing_feature = self.native.heron_kernel_missing_cpu_feature
        self._missing_feature.restype = ctypes.c_char_p
        self.kernels = [HostKernel(self, index, entry) for index, entry in enumerate(manifest["kernels"])]
        missing = sorted({kernel.missing_cpu_feature or "" for kernel in self.kernels})
        if missing and "" not in missing:
            raise MachineError(
                f"{self.path}: no kernel can run on this machine: it lacks {', '.join(missing)}"
            )

    def missing_cpu_feature(self, index: int) -> str | None:
        """The CPU feature that the kernel at this index of the manifest needs and this machine lacks."""
        feature: bytes | None = self._missing_feature(ctypes.c_size_t(index))
        return None if feature is None else feature.decode()

    def set_num_threads(self, count: int) -> None:
        """How many threads kernels may use, the calling one included; 0: all CPUs."""
        if self.native.heron_set_num_threads(ctypes.c_int32(count)) != 0:
            raise LibraryError(f"thread count {count} is out of range")

    def get_num_threads(self) -> int:
        """How many threads kernels may use."""
        return int(self.native.heron_get_num_threads())
