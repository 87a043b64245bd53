"""Use a library of kernels that heron exported, from Python. Needs numpy and nothing else of heron.

    library = load("build/kernels")
    kernel = library.find("gemm", m=128, n=768, k=768)
    weight = kernel.pack(weight_array)          # once per model
    output = kernel(input_array, weight)        # numpy arrays or anything that speaks DLPack

A copy of this file lies in every exported library as ``python/heron_kernels.py``.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import math
import string
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCHEMA = "heron/library/1"
_SHARED = "lib/libheron_kernels.so"

Array = NDArray[Any]


class LibraryError(RuntimeError):
    """The library is damaged, does not fit this machine, or was given operands that do not fit; one line."""


class MachineError(LibraryError):
    """None of the library's kernels can run on this machine."""


class PackedOperand:
    """A constant operand in the form that one kernel wants. Made by `Kernel.pack`."""

    def __init__(self, kernel: Kernel, data: NDArray[np.uint8]) -> None:
        self.kernel = kernel
        self.data = data


class Kernel:
    """One kernel. Call it with the operands in the order of `operands`, the output optional."""

    def __init__(self, library: Library, index: int, entry: Mapping[str, Any]) -> None:
        self.missing_cpu_feature = library.missing_cpu_feature(index)
        self.entry = dict(entry)
        self.workload: str = entry["workload"]
        self.operator: str = entry["operator"]
        self.symbol: str = entry["symbol"]
        self.requires: tuple[str, ...] = tuple(entry["requires"])
        self.operands: list[dict[str, Any]] = entry["operands"]
        self.shape: dict[str, Any] = _plain_shape(entry["shape"])
        self.library = library
        self._run = library.function(self.symbol)
        self._pack = library.function(entry["pack_symbol"]) if entry["pack_symbol"] else None
        self._cache: dict[int, tuple[weakref.ref[Array], PackedOperand]] = {}

    def __repr__(self) -> str:
        return f"<heron kernel {self.workload}>"

    def __call__(self, *operands: Any, out: Array | None = None) -> Array:
        """The result, written to `out` when that is given (64-byte aligned; see `aligned_empty`).

        Operands are numpy arrays or DLPack exporters; those that are not aligned are copied. A constant
        operand may be the result of `pack` or the array itself, which is then packed in this call, and
        remembered when the array is read-only. Raises LibraryError.
        """
        *inputs, output = self.operands
        if len(operands) != len(inputs):
            names = ", ".join(operand["name"] for operand in inputs)
            raise LibraryError(f"{self.workload} takes {len(inputs)} operands ({names}), got {len(operands)}")
        buffers = [self._buffer(operand, value) for operand, value in zip(inputs, operands, strict=True)]
        if out is None:
            out = aligned_empty(output["shape"], _storage(output["dtype"]))
        elif not isinstance(out, np.ndarray):
            raise LibraryError(f"'{output['name']}' must be a numpy array, not {type(out).__name__}")
        _check(output, out)
        if not _is_aligned(out) or not out.flags.writeable:
            raise LibraryError(
                f"'{output['name']}' must be writable, C-contiguous and {ALIGNMENT}-byte aligned; "
                "make it with aligned_empty()"
            )
        self.library.check(self._run(*map(_pointer, [*buffers, out])), self)
        return out

    def pack(self, constant: Any) -> PackedOperand:
        """The packed form of the constant operand, for any number of calls. Raises LibraryError."""
        operand = next((o for o in self.operands if o["packed_bytes"] is not None), None)
        if operand is None or self._pack is None:
            raise LibraryError(f"{self.workload} has no operand to pack")
        array = _as_array(operand, constant)
        held = self._cache.get(id(array))
        if held is not None and held[0]() is array:
            return held[1]
        _check(operand, array)
        source = np.ascontiguousarray(array)
        data = aligned_empty((operand["packed_bytes"],), np.uint8)
        self.library.check(self._pack(_pointer(source), _pointer(data)), self)
        packed = PackedOperand(self, data)
        if _is_immutable(array):
            key = id(array)
            self._cache[key] = (weakref.ref(array, lambda _: self._cache.pop(key, None)), packed)
        return packed

    def _buffer(self, operand: Mapping[str, Any], value: Any) -> Array:
        if operand["packed_bytes"] is not None:
            packed = value if isinstance(value, PackedOperand) else self.pack(value)
            if packed.kernel is not self:
                raise LibraryError(
                    f"'{operand['name']}' was packed for {packed.kernel.workload} "
                    f"of {packed.kernel.library.path}, not for {self.workload} of {self.library.path}"
                )
            return packed.data
        array = _as_array(operand, value)
        _check(operand, array)
        if _is_aligned(array):
            return array
        copy = aligned_empty(array.shape, array.dtype)
        copy[...] = array
        return copy


class Library:
    """An exported library, checked against its manifest and this machine when it is opened."""

    def __init__(self, path: Path | str) -> None:
        """`path` is the exported directory. Raises LibraryError when it is damaged or cannot run here."""
        self.path = Path(path)
        self.manifest = _read_manifest(self.path)
        _check_code(self.path, self.manifest["files"])
        try:
            self._native = ctypes.CDLL(str((self.path / _SHARED).resolve()))
        except OSError as error:
            raise LibraryError(f"{self.path}: cannot load the library: {error}") from error
        build_id = self._native.heron_build_id
        build_id.restype = ctypes.c_char_p
        if build_id().decode() != self.manifest["build_id"]:
            raise LibraryError(f"{self.path}: this process has loaded what was there before; start a new one")
        self._status_string = self._native.heron_status_string
        self._status_string.restype = ctypes.c_char_p
        self._missing_feature = self._native.heron_kernel_missing_cpu_feature
        self._missing_feature.restype = ctypes.c_char_p
        self._last_error = self._native.heron_last_error
        self._last_error.restype = ctypes.c_char_p
        self.version: str = self.manifest["version"]
        self.kernels: list[Kernel] = [
            Kernel(self, index, entry) for index, entry in enumerate(self.manifest["kernels"])
        ]
        missing = sorted({kernel.missing_cpu_feature or "" for kernel in self.kernels})
        if missing and "" not in missing:
            raise MachineError(
                f"{self.path}: no kernel can run on this machine: it lacks {', '.join(missing)}"
            )

    def __repr__(self) -> str:
        return f"<heron library {self.path}, {len(self.kernels)} kernels>"

    def find(self, operator: str, dtypes: Mapping[str, str] | None = None, **shape: Any) -> Kernel:
        """The kernel of this operator and shape.

        Parameters that every kernel of the operator agrees on may be left out; `dtypes` likewise. Raises
        LibraryError, naming the shapes that come closest, when there is none or more than one.
        """
        of_operator = [kernel for kernel in self.kernels if kernel.operator == operator]
        if not of_operator:
            held = ", ".join(sorted({kernel.operator for kernel in self.kernels}))
            raise LibraryError(f"{self.path}: no kernel of '{operator}'; the library holds {held}")
        wanted = _plain_shape(shape)
        unknown = [name for name in wanted if name not in of_operator[0].shape]
        if unknown:
            raise LibraryError(
                f"{operator} has no parameter '{unknown[0]}'; it has {_words(of_operator[0].shape)}"
            )
        found = [
            kernel
            for kernel in of_operator
            if all(kernel.shape[name] == value for name, value in wanted.items())
            and all(kernel.entry["dtypes"].get(role) == dtype for role, dtype in (dtypes or {}).items())
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise LibraryError(
                f"{self.path}: {len(found)} kernels of {operator} match; say more of {_words(found[0].shape)}"
            )
        near = sorted(of_operator, key=lambda kernel: _distance(kernel.shape, wanted))[:3]
        raise LibraryError(
            f"{self.path}: no kernel of {operator} with that shape; nearest: "
            + "; ".join(kernel.workload for kernel in near)
        )

    def missing_cpu_feature(self, index: int) -> str | None:
        """The CPU feature that the kernel at this index of the manifest needs and this machine lacks."""
        feature: bytes | None = self._missing_feature(ctypes.c_size_t(index))
        return None if feature is None else feature.decode()

    def function(self, name: str) -> Any:
        """A function of the shared library that returns a status."""
        try:
            function = getattr(self._native, name)
        except AttributeError as error:
            raise LibraryError(f"{self.path}: the library does not define {name}") from error
        function.restype = ctypes.c_int
        return function

    def set_num_threads(self, count: int) -> None:
        """How many threads kernels may use, the calling one included; 0: all CPUs."""
        if self._native.heron_set_num_threads(ctypes.c_int32(count)) != 0:
            raise LibraryError(f"thread count {count} is out of range")

    def get_num_threads(self) -> int:
        """How many threads kernels may use."""
        return int(self._native.heron_get_num_threads())

    def check(self, status: int, kernel: Kernel) -> None:
        """Raises LibraryError unless the status is 0."""
        if status == 0:
            return
        reason = self._status_string(status).decode()
        detail = self._last_error().decode() if status == _KERNEL_FAILED else ""
        if status == _UNSUPPORTED_CPU:
            detail = str(kernel.missing_cpu_feature)
        raise LibraryError(f"{kernel.workload}: {reason}{': ' if detail else ''}{detail}")


ALIGNMENT = 64
_UNSUPPORTED_CPU, _KERNEL_FAILED = 2, 6


def load(path: Path | str) -> Library:
    """Open the library in the exported directory `path`. Raises LibraryError."""
    return Library(path)


def aligned_empty(shape: Any, dtype: Any) -> Array:
    """An uninitialised C-contiguous array on a 64-byte boundary."""
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    array: Array = raw[start : start + size].view(kind).reshape(tuple(shape))
    return array


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise LibraryError(f"{path}: no exported library: manifest.json: {error.strerror}") from error
    except ValueError as error:
        raise LibraryError(f"{path}: manifest.json is damaged: {error}") from error
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if schema != SCHEMA:
        raise LibraryError(f"{path}: manifest.json has schema {schema!r}; this loader reads {SCHEMA!r}")
    return dict(manifest)


def _check_code(path: Path, digests: Mapping[str, str]) -> None:
    if _SHARED not in digests:
        raise LibraryError(f"{path}: manifest.json does not list {_SHARED}")
    try:
        content = (path / _SHARED).read_bytes()
    except OSError as error:
        raise LibraryError(f"{path}: {_SHARED}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != digests[_SHARED]:
        raise LibraryError(f"{path}: {_SHARED} is not the file that was exported (sha-256 differs)")


def _as_array(operand: Mapping[str, Any], value: Any) -> Array:
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            raise LibraryError(f"'{operand['name']}' cannot be read through DLPack: {error}") from error
    raise LibraryError(f"'{operand['name']}' must be an array, not {type(value).__name__}")


def _storage(dtype: str) -> np.dtype[Any]:
    """How numpy holds a dtype: bfloat16, which it does not know, as the 16 bits."""
    try:
        return np.dtype(dtype)
    except TypeError:
        return np.dtype(f"uint{dtype.lstrip(string.ascii_letters)}")


def _check(operand: Mapping[str, Any], array: Array) -> None:
    shape = tuple(operand["shape"])
    if array.shape != shape or array.dtype.name not in (operand["dtype"], _storage(operand["dtype"]).name):
        raise LibraryError(
            f"'{operand['name']}' is {array.dtype.name} {array.shape}; "
            f"the kernel takes {operand['dtype']} {shape}"
        )


def _is_aligned(array: Array) -> bool:
    return array.flags.c_contiguous and array.ctypes.data % ALIGNMENT == 0


def _is_immutable(array: Array) -> bool:
    """No array shares this memory writably: what was packed of it stays true."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if base.flags.writeable:
            return False
        base = base.base
    return base is None or isinstance(base, bytes)


def _pointer(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _plain_shape(shape: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list | tuple) else value for name, value in shape.items()}


def _words(shape: Mapping[str, Any]) -> str:
    return ", ".join(shape)


def _distance(shape: Mapping[str, Any], wanted: Mapping[str, Any]) -> float:
    """How unlike two shapes are: ratios of sizes, and a whole step for each word that differs."""
    total = 0.0
    for name, value in wanted.items():
        ours = shape[name]
        pairs = (
            zip(ours, value, strict=False)
            if isinstance(ours, tuple) and isinstance(value, tuple)
            else [(ours, value)]
        )
        for one, other in pairs:
            if isinstance(one, int) and isinstance(other, int):
                total += abs(math.log((1 + max(one, 0)) / (1 + max(other, 0))))
            elif one != other:
                total += 1.0
    return total
