"""An exported library, opened and checked."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import LibraryError
from .kernel import Kernel
from .shapes import distance, plain_shape

_SHARED = "lib/libheron_kernels.so"


class Library:
    """An exported library, checked against its manifest and this machine when it is opened by `load`."""

    kernels: Sequence[Kernel]

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        """`path` is the exported directory, `manifest` its manifest. Raises LibraryError when damaged."""
        self.path = path
        self.manifest = manifest
        _check_code(self.path, self.manifest["files"])
        try:
            self.native = ctypes.CDLL(str((self.path / _SHARED).resolve()))
        except OSError as error:
            raise LibraryError(f"{self.path}: cannot load the library: {error}") from error
        build_id = self.native.heron_build_id
        build_id.restype = ctypes.c_char_p
        if build_id().decode() != self.manifest["build_id"]:
            raise LibraryError(f"{self.path}: this process has loaded what was there before; start a new one")
        self._status_string = self.native.heron_status_string
        self._status_string.restype = ctypes.c_char_p
        self._last_error = self.native.heron_last_error
        self._last_error.restype = ctypes.c_char_p
        self.version: str = self.manifest["version"]

    def __repr__(self) -> str:
        return f"<heron library {self.path}, {len(self.kernels)} kernels>"

    def find(
        self,
        operator: str,
        dtypes: Mapping[str, str] | None = None,
        epilogue: Mapping[str, Any] | None = None,
        **shape: Any,
    ) -> Kernel:
        """The kernel of this operator and shape.

        Parameters that every kernel of the operator agrees on may be left out; so may `dtypes`, by role, and
        `epilogue`, what is done to every sum: {"bias": True, "low": 0}, the fields that are asked for. Raises
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
            and _holds(kernel.entry["dtypes"], dtypes or {})
            and _holds(kernel.entry["epilogue"], epilogue or {})
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise LibraryError(
                f"{self.path}: {len(found)} kernels of {operator} match; "
                f"say more of {', '.join(found[0].shape)}, dtypes or epilogue"
            )
        near = sorted(of_operator, key=lambda kernel: distance(kernel.shape, wanted))[:3]
        raise LibraryError(
            f"{self.path}: no kernel of {operator} with that shape; nearest: "
            + "; ".join(kernel.workload for kernel in near)
        )

    def function(self, name: str) -> Any:
        """A function of the shared library that returns a status."""
        try:
            function = getattr(self.native, name)
        except AttributeError as error:
            raise LibraryError(f"{self.path}: the library does not define {name}") from error
        function.restype = ctypes.c_int
        return function

    def last_error(self) -> str:
        """What was wrong in the kernel or the driver when a call of this thread last failed there."""
        return str(self._last_error().decode())

    def reason(self, status: int, detail: str = "") -> str:
        """A status in words, with what there is to add."""
        return f"{self._status_string(status).decode()}{': ' if detail else ''}{detail}"

    def check(self, status: int, workload: str, detail: str = "") -> None:
        """Raises LibraryError unless the status is 0."""
        if status != 0:
            raise LibraryError(f"{workload}: {self.reason(status, detail)}")


def _holds(entry: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(entry.get(name) == value for name, value in wanted.items())


def _check_code(path: Path, digests: Mapping[str, str]) -> None:
    if _SHARED not in digests:
        raise LibraryError(f"{path}: manifest.json does not list {_SHARED}")
    try:
        content = (path / _SHARED).read_bytes()
    except OSError as error:
        raise LibraryError(f"{path}: {_SHARED}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != digests[_SHARED]:
        raise LibraryError(f"{path}: {_SHARED} is not the file that was exported (sha-256 differs)")
