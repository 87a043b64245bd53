"""Link a kernel's object and load it into this process, without TVM."""

from __future__ import annotations

import _ctypes
import ctypes
import math
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heron_cli.backends.buffers import ALIGNMENT, aligned, aligned_empty, item_bytes
from heron_cli.backends.tools import run_tool
from heron_cli.backends.x86.native import runtime

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from heron_cli.backends.base import Kernel, Operand

    Array = NDArray[Any]


def load(kernel: Kernel, *, threads: int) -> NativeKernel:
    """Link `kernel` and load it; its parallel loops will use `threads` threads (0: all CPUs).

    Raises InputError without a linker or, the first time ever, without a C compiler; RuntimeError (or its
    subclass ToolError) when the object does not link, lacks the kernel's symbol or uses AMX that this process
    may not use.
    """
    return NativeKernel(kernel, threads)


def link(code: bytes, target: Path) -> None:
    """Make the shared object `target` of a relocatable object. Raises ToolError when it does not link."""
    relocatable = target.with_suffix(".o")
    relocatable.write_bytes(code)
    # -Bsymbolic: the hook variables of this kernel, not of one that was loaded before it.
    run_tool("ld", ["-shared", "-Bsymbolic", "-z", "now", "-z", "noexecstack", "-o", target, relocatable])


class NativeKernel:
    """A loaded kernel (`heron_cli.backends.base.LoadedKernel`). Its code is unmapped with the object."""

    def __init__(self, kernel: Kernel, threads: int) -> None:
        self.kernel = kernel
        self._threads = threads
        self._runtime = runtime()
        if kernel.metrics.get("matrix_shapes"):
            self._runtime.ask_for_matrices()
        with tempfile.TemporaryDirectory(prefix="heron-") as scratch:
            shared = Path(scratch) / "kernel.so"
            link(kernel.code, shared)
            try:
                library = ctypes.CDLL(str(shared))
            except OSError as error:
                raise RuntimeError(f"cannot load kernel {kernel.symbol}: {error}") from error
        self._close = weakref.finalize(self, _ctypes.dlclose, library._handle)
        self._runtime.bind(library)
        self._function = self._symbol(library, kernel.symbol)
        self._pack = self._symbol(library, f"{kernel.symbol}_pack") if kernel.packed is not None else None

    @staticmethod
    def _symbol(library: ctypes.CDLL, name: str) -> Any:
        try:
            function = getattr(library, name)
        except AttributeError as error:
            raise RuntimeError(f"the kernel's object does not define {name}") from error
        function.restype = ctypes.c_int32
        return function

    def pack(self, weight: Array) -> NDArray[np.uint8]:
        """The packed form of the operand that is passed packed, 64-byte aligned.

        Raises ValueError when the kernel packs nothing or the array has not the operand's shape and dtype.
        """
        operand = self.kernel.packed
        if not self._close.alive:
            raise RuntimeError(f"kernel {self.kernel.symbol} was closed")
        if operand is None or operand.packed_bytes is None or self._pack is None:
            raise ValueError(f"kernel {self.kernel.symbol} packs no operand")
        if weight.shape != operand.shape or weight.dtype.name != operand.dtype:
            raise ValueError(
                f"'{operand.name}' is {weight.dtype.name} {weight.shape}; "
                f"the kernel takes {operand.dtype} {operand.shape}"
            )
        source = aligned(weight)
        packed = aligned_empty((operand.packed_bytes,), "uint8")
        self._check_status(
            self._pack(ctypes.c_void_p(source.ctypes.data), ctypes.c_void_p(packed.ctypes.data))
        )
        return packed

    def call(self, buffers: Sequence[Array]) -> None:
        """One call. Raises RuntimeError when the kernel returns a status other than 0."""
        pointers = self._pointers(buffers)
        self._runtime.set_threads(self._threads)
        self._check_status(self._function(*map(ctypes.c_void_p, pointers)))

    def repeat(self, buffers: Sequence[Array], count: int) -> float:
        """Seconds of wall clock for `count` calls in a row, looped in native code.

        Raises RuntimeError when a call returns a status other than 0.
        """
        pointers = self._pointers(buffers)
        self._runtime.set_threads(self._threads)
        address = ctypes.cast(self._function, ctypes.c_void_p).value or 0
        seconds = self._runtime.repeat(address, pointers, count)
        if seconds < 0:
            self._check_status(-1)
        return seconds

    def fetch(self, buffers: Sequence[Array]) -> None:
        """Nothing to do: kernels write into the buffers."""

    def close(self) -> None:
        """Unmap the kernel's code; the object cannot be called afterwards."""
        self._close()

    def _check_status(self, status: int) -> None:
        if status != 0:
            reason = self._runtime.error() or f"status {status}"
            raise RuntimeError(f"kernel {self.kernel.symbol} failed: {reason}")

    def _pointers(self, buffers: Sequence[Array]) -> ctypes.Array[ctypes.c_void_p]:
        if not self._close.alive:
            raise RuntimeError(f"kernel {self.kernel.symbol} was closed")
        operands = self.kernel.operands
        if len(buffers) != len(operands):
            raise ValueError(f"the kernel takes {len(operands)} buffers, got {len(buffers)}")
        for operand, buffer in zip(operands, buffers, strict=True):
            _check_buffer(operand, buffer)
        return (ctypes.c_void_p * len(buffers))(*(buffer.ctypes.data for buffer in buffers))


def _check_buffer(operand: Operand, buffer: Array) -> None:
    size = operand.packed_bytes
    if size is None:
        size = math.prod(operand.shape) * item_bytes(operand.dtype)
    if buffer.nbytes != size:
        raise ValueError(f"'{operand.name}' has {buffer.nbytes} bytes; the kernel takes {size}")
    if not buffer.flags.c_contiguous or buffer.ctypes.data % ALIGNMENT:
        raise ValueError(f"'{operand.name}' must be C-contiguous and {ALIGNMENT}-byte aligned")
