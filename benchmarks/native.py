"""Compile the small C and C++ helpers of the benchmarks, once per content."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE / "build"


class BenchmarkError(Exception):
    """A benchmark cannot run here; the message is one line that says what would help."""


def compile_library(source: Path, flags: Sequence[str] = (), libraries: Sequence[str] = ()) -> Path:
    """The shared library built from `source`; raises BenchmarkError with the compiler's last words."""
    compiler = "g++" if source.suffix == ".cpp" else "cc"
    standard = "-std=c++17" if source.suffix == ".cpp" else "-std=c11"
    options = [standard, "-O2", "-g", "-Wall", "-Wextra", "-fPIC", "-shared", *flags]
    text = "\0".join([compiler, *options, *libraries]).encode() + source.read_bytes()
    output = CACHE / f"{source.stem}-{hashlib.sha256(text).hexdigest()[:16]}.so"
    if output.exists():
        return output
    CACHE.mkdir(parents=True, exist_ok=True)
    partial = output.with_suffix(f".{os.getpid()}.tmp")
    command = [compiler, *options, str(source), "-o", str(partial), *libraries]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BenchmarkError(f"{compiler} is not installed; the benchmarks need gcc and g++") from None
    if done.returncode:
        raise BenchmarkError(f"{compiler} could not build {source.name}: {done.stderr.strip()[-2000:]}")
    partial.replace(output)
    return output


def load(source: Path, flags: Sequence[str] = (), libraries: Sequence[str] = ()) -> ctypes.CDLL:
    """Compile when needed and load into this process."""
    return ctypes.CDLL(str(compile_library(source, flags, libraries)))
