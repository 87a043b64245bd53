"""One kernel of an exported library, as a Python function."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

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
from .errors import LibraryError
from .shapes import plain_shape

if TYPE_CHECKING:
    from .library import Library


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
        self.shape: dict[str, Any] = plain_shape(entry["shape"])
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
            out = aligned_empty(output["shape"], storage(output["dtype"]))
        elif not isinstance(out, np.ndarray):
            raise LibraryError(f"'{output['name']}' must be a numpy array, not {type(out).__name__}")
        check_operand(output, out)
        if not is_aligned(out) or not out.flags.writeable:
            raise LibraryError(
                f"'{output['name']}' must be writable, C-contiguous and {ALIGNMENT}-byte aligned; "
                "make it with aligned_empty()"
            )
        self.library.check(self._run(*map(pointer, [*buffers, out])), self)
        return out

    def pack(self, constant: Any) -> PackedOperand:
        """The packed form of the constant operand, for any number of calls. Raises LibraryError."""
        operand = next((o for o in self.operands if o["packed_bytes"] is not None), None)
        if operand is None or self._pack is None:
            raise LibraryError(f"{self.workload} has no operand to pack")
        array = as_array(operand, constant)
        held = self._cache.get(id(array))
        if held is not None and held[0]() is array:
            return held[1]
        check_operand(operand, array)
        source = np.ascontiguousarray(array)
        data = aligned_empty((operand["packed_bytes"],), np.uint8)
        self.library.check(self._pack(pointer(source), pointer(data)), self)
        packed = PackedOperand(self, data)
        if is_immutable(array):
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
        array = as_array(operand, value)
        check_operand(operand, array)
        if is_aligned(array):
            return array
        copy = aligned_empty(array.shape, array.dtype)
        copy[...] = array
        return copy
