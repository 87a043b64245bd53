"""The C runtime of the measuring process: compiled once per user, loaded once per process."""

from __future__ import annotations

import ctypes
import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path

from heron_cli.backends.linking import CFLAGS
from heron_cli.backends.tools import run_tool
from heron_cli.backends.x86.compiler import runtime_files, runtime_sources
from heron_cli.errors import InputError

# Hook variables of compiled kernels (runtime/hooks.c); a kernel defines those that it uses.
HOOKS = (
    "__TVMBackendParallelLaunch",
    "__TVMBackendParallelBarrier",
    "__TVMBackendAllocWorkspace",
    "__TVMBackendFreeWorkspace",
    "__TVMFFIErrorSetRaisedFromCStr",
    "__HeronExpectTasks",
)


class Runtime:
    """The loaded runtime."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        self._repeat = self._library.heron_repeat
        self._repeat.restype = ctypes.c_double
        self._repeat.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64)
        self._error = self._library.heron_runtime_error
        self._error.restype = ctypes.c_char_p
        self._cpu_has = self._library.heron_runtime_cpu_has
        self._cpu_has.argtypes = (ctypes.c_char_p,)
        self._set_threads = self._library.heron_runtime_set_threads
        self._set_threads.argtypes = (ctypes.c_int32,)

    def bind(self, kernel: ctypes.CDLL) -> None:
        """Point the hook variables of a loaded kernel to this runtime."""
        for name in HOOKS:
            try:
                hook = ctypes.c_void_p.in_dll(kernel, name)
            except ValueError:
                continue  # the kernel does not use this hook
            hook.value = ctypes.c_void_p.in_dll(self._library, name).value

    def set_threads(self, count: int) -> None:
        """How many threads a parallel kernel uses from now on, the caller included; 0: all CPUs."""
        if self._set_threads(count) != 0:
            raise ValueError(f"thread count {count} is out of range")

    def ask_for_matrices(self) -> None:
        """Ask Linux to let this process use the matrix registers of AMX, which it saves for those that asked.

        Raises RuntimeError where there are none or Linux refuses.
        """
        if self._cpu_has(b"amx_tile") != 1:
            raise RuntimeError("this CPU has no AMX, or Linux does not let this process use it (arch_prctl)")

    def repeat(self, function: int, pointers: ctypes.Array[ctypes.c_void_p], count: int) -> float:
        """Seconds for `count` calls of the function at this address; negative when a call failed."""
        return float(self._repeat(function, pointers, len(pointers), count))

    def error(self) -> str:
        """What the last failing kernel of this thread said; empty when it said nothing."""
        message: bytes | None = self._error()
        return "" if message is None else message.decode(errors="replace")


@cache
def runtime() -> Runtime:
    """The runtime of this process. Raises InputError when it must be compiled and cannot be."""
    return Runtime(compiled_runtime(cache_folder()))


def cache_folder() -> Path:
    """Where this user's compiled runtime is kept: $XDG_CACHE_HOME/heron, else ~/.cache/heron."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    if Path(root).is_absolute():
        return Path(root) / "heron"
    try:
        return Path.home() / ".cache" / "heron"
    except RuntimeError:  # no home folder
        return Path(tempfile.gettempdir()) / f"heron-{os.getuid()}"


def compiled_runtime(folder: Path) -> Path:
    """The shared object of the runtime in `folder`, compiled there unless these very sources already were.

    Raises InputError when there is no C compiler, or the folder cannot be written and is not this user's.
    """
    digest = hashlib.sha256(" ".join(CFLAGS).encode())
    for path in runtime_files():
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    target = folder / f"runtime-{digest.hexdigest()[:20]}.so"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_uid != os.getuid():  # someone else could put any code there
            raise InputError(f"cache folder {folder} belongs to another user; set XDG_CACHE_HOME")
        if target.is_file():
            return target
        # Processes may compile it at the same time: each writes its own file, the last rename wins.
        with tempfile.TemporaryDirectory(prefix=".runtime-", dir=folder) as scratch:
            fresh = Path(scratch) / target.name
            sources = runtime_sources(timing=True)
            run_tool("cc", [*CFLAGS, "-shared", "-Wl,-z,nodelete", "-Wl,-Bsymbolic", "-o", fresh, *sources])
            fresh.replace(target)
    except OSError as error:
        raise InputError(f"cannot write the compiled runtime to {folder}: {error.strerror}") from error
    return target
