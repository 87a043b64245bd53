"""NVIDIA's compiler as a library: no process to start, no header to read, no host code to set apart."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from ctypes import CDLL, POINTER, byref, c_char_p, c_int, c_size_t, c_void_p, create_string_buffer
from functools import cache
from pathlib import Path

from heron_cli.backends.base import BuildError

_OLDEST = (12, 4)
_UNFIT = (12, 9)  # it takes the bounds of kernels in clusters for something else, and refuses them
_CACHING = (13, 0)  # from here on NVRTC would ask the driver, and so a GPU, for what was compiled before
_OPTIONS = ("-std=c++17", "-minimal", "-Xptxas=-v")


class Nvrtc:
    """A loaded NVRTC. Raises OSError where the file is no such library, or one that does not fit."""

    def __init__(self, path: str) -> None:
        beside = Path(path).parent.glob("libnvrtc-builtins.so.*") if os.sep in path else ()
        self._builtins = [CDLL(str(each)) for each in beside]  # NVRTC asks for it by name alone
        self._library = CDLL(path)
        major, minor = c_int(), c_int()
        try:
            self._library.nvrtcVersion(byref(major), byref(minor))
            self._library.nvrtcGetErrorString.restype = c_char_p
            self._library.nvrtcCreateProgram.argtypes = (
                POINTER(c_void_p), c_char_p, c_char_p, c_int, c_void_p, c_void_p,
            )  # fmt: skip
        except AttributeError as error:
            raise OSError(f"{path} is not NVRTC") from error
        self.version = (major.value, minor.value)
        if self.version < _OLDEST or self.version == _UNFIT:
            raise OSError(f"{path} is NVRTC {major.value}.{minor.value}; 12.4 to 12.8, or 13, is needed")

    def supports(self, arch: str) -> bool:
        """Whether it compiles for an architecture such as "sm_90a"."""
        count = c_int()
        self._check(self._library.nvrtcGetNumSupportedArchs(byref(count)))
        known = (c_int * count.value)()
        self._check(self._library.nvrtcGetSupportedArchs(known))
        return int("".join(filter(str.isdigit, arch)) or 0) in known

    def compile(self, source: str, arch: str) -> tuple[bytes, str]:
        """Machine code, and what the compiler and ptxas said. Raises BuildError with the first complaint."""
        program = c_void_p()
        self._check(
            self._library.nvrtcCreateProgram(byref(program), source.encode(), b"kernel.cu", 0, None, None)
        )
        try:
            options = [f"--gpu-architecture={arch}", *_OPTIONS]
            if self.version >= _CACHING:
                options.append("--no-cache")
            texts = (c_char_p * len(options))(*(option.encode() for option in options))
            failed = self._library.nvrtcCompileProgram(program, len(options), texts)
            said = self._fetch(program, "ProgramLog").decode(errors="replace").rstrip("\0")
            if failed:
                why = complaint(said) or self._library.nvrtcGetErrorString(failed).decode()
                raise BuildError(f"nvrtc failed: {why}"[:300])
            return self._fetch(program, "CUBIN"), said
        finally:
            self._library.nvrtcDestroyProgram(byref(program))

    def _fetch(self, program: c_void_p, what: str) -> bytes:
        size = c_size_t()
        self._check(getattr(self._library, f"nvrtcGet{what}Size")(program, byref(size)))
        data = create_string_buffer(size.value)
        self._check(getattr(self._library, f"nvrtcGet{what}")(program, data))
        return data.raw

    def _check(self, failed: int) -> None:
        if failed:
            raise BuildError(f"nvrtc failed: {self._library.nvrtcGetErrorString(failed).decode()}")


def complaint(said: str) -> str:
    """The first error in what a compiler said."""
    lines = (line.strip() for line in said.splitlines())
    return next((line for line in lines if "error" in line.lower() or "fatal" in line.lower()), "")


@cache
def nvrtc() -> Nvrtc | None:
    """The newest NVRTC that loads: from a wheel, a toolkit or the system; None where there is none."""
    for path in sorted(_candidates(), key=_major, reverse=True):
        try:
            return Nvrtc(path)
        except OSError:  # not there, of another machine, or too old: the next one may do
            continue
    return None


def _candidates() -> Iterator[str]:
    wheels = importlib.util.find_spec("nvidia")
    for folder in (wheels.submodule_search_locations or ()) if wheels else ():
        yield from map(str, Path(folder).glob("*/lib/libnvrtc.so.*"))
    nvcc = shutil.which("nvcc")
    beside = str(Path(nvcc).resolve().parents[1]) if nvcc else None
    for root in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), beside, "/usr/local/cuda"):
        if root:
            yield from map(str, Path(root).glob("lib64/libnvrtc.so.*"))
    yield from ("libnvrtc.so.13", "libnvrtc.so.12")


def _major(path: str) -> int:
    """13 for libnvrtc.so.13 and for libnvrtc.so.13.0.88."""
    number = path.rpartition(".so.")[2].split(".")[0]
    return int(number) if number.isdigit() else 0
