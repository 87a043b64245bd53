"""An exported library, opened and checked."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import manifest
from .errors import LibraryError, MachineError
from .kernel import Kernel
from .shapes import distance, plain_shape

_SHARED = "lib/libheron_kernels.so"
_UNSUPPORTED_CPU, _KERNEL_FAILED = 2, 6  # of heron_status


class Library:
    """An exported library, checked against its manifest and this machine when it is opened."""

    def __init__(self, path: Path | str) -> None:
        """`path` is the exported directory. Raises LibraryError when it is damaged or cannot run here."""
        self.path = Path(path)
        self.manifest = manifest.read(self.path)
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
        wanted = plain_shape(shape)
        unknown = [name for name in wanted if name not in of_operator[0].shape]
        if unknown:
            raise LibraryError(
                f"{operator} has no parameter '{unknown[0]}'; it has {', '.join(of_operator[0].shape)}"
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
                f"{self.path}: {len(found)} kernels of {operator} match; "
                f"say more of {', '.join(found[0].shape)}"
            )
        near = sorted(of_operator, key=lambda kernel: distance(kernel.shape, wanted))[:3]
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


def _check_code(path: Path, digests: Mapping[str, str]) -> None:
    if _SHARED not in digests:
        raise LibraryError(f"{path}: manifest.json does not list {_SHARED}")
    try:
        content = (path / _SHARED).read_bytes()
    except OSError as error:
        raise LibraryError(f"{path}: {_SHARED}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != digests[_SHARED]:
        raise LibraryError(f"{path}: {_SHARED} is not the file that was exported (sha-256 differs)")
