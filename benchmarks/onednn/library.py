"""The wrapper library in this process, and the C structures it takes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

from benchmarks.native import HERE, BenchmarkError, compile_library
from benchmarks.onednn import wheels
from benchmarks.onednn.problem import BFLOAT16, Problem, Tensor

VNNI = "avx512_core_vnni"
UNRESTRICTED = "default"
_loaded: tuple[str, int, ctypes.CDLL] | None = None


class CTensor(ctypes.Structure):
    """`Tensor` of primitive.cpp."""

    _fields_ = [
        ("rank", ctypes.c_int32),
        ("dimensions", ctypes.c_int64 * 6),
        ("strides", ctypes.c_int64 * 6),
        ("data", ctypes.c_void_p),
    ]


class CProblem(ctypes.Structure):
    """`Problem` of primitive.cpp."""

    _fields_ = [
        ("kind", ctypes.c_int32),
        ("bfloat16", ctypes.c_int32),
        ("spatial", ctypes.c_int32),
        ("dynamic_weight", ctypes.c_int32),
        ("source", CTensor),
        ("weight", CTensor),
        ("destination", CTensor),
        ("stride", ctypes.c_int64 * 3),
        ("dilation", ctypes.c_int64 * 3),
        ("before", ctypes.c_int64 * 3),
        ("after", ctypes.c_int64 * 3),
    ]


def c_problem(problem: Problem, addresses: tuple[int, int, int]) -> CProblem:
    """The C form of a problem on buffers at these addresses (input, weight, output)."""
    source, weight, destination = (
        _c_tensor(tensor, address)
        for tensor, address in zip((problem.input, problem.weight, problem.output), addresses, strict=True)
    )
    window = problem.window
    return CProblem(
        problem.kind,
        int(problem.types == BFLOAT16),
        len(window.kernel),
        int(problem.dynamic_weight),
        source,
        weight,
        destination,
        _three(window.stride),
        _three(window.dilation),
        _three(window.before),
        _three(window.after),
    )


def _c_tensor(tensor: Tensor, address: int) -> CTensor:
    six = ctypes.c_int64 * 6
    return CTensor(len(tensor.logical), six(*tensor.logical), six(*tensor.strides), address)


def _three(values: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * 3)(*values)


def build(root: str = "") -> Path:
    """The wrapper, compiled when needed; for the oneDNN in a folder, if one is given."""
    installation = wheels.find(root)
    return compile_library(
        HERE / "onednn" / "primitive.cpp",
        ["-fopenmp", f"-I{installation.include}"],
        [f"-L{installation.library}", f"-Wl,-rpath,{installation.library}", "-ldnnl"],
    )


def library(isa: str = VNNI, threads: int = 1) -> ctypes.CDLL:
    """Load oneDNN. It fixes its instruction set at first use, so a process has only one."""
    global _loaded
    if _loaded is not None:
        if _loaded[:2] != (isa, threads):
            raise BenchmarkError(
                f"oneDNN already runs with {_loaded[0]} and {_loaded[1]} threads in this process"
            )
        return _loaded[2]
    handle = ctypes.CDLL(str(build()))
    handle.onednn_create.argtypes = [ctypes.POINTER(CProblem), ctypes.c_char_p, ctypes.c_size_t]
    handle.onednn_create.restype = ctypes.c_void_p
    handle.onednn_implementation.argtypes = [ctypes.c_void_p]
    handle.onednn_implementation.restype = ctypes.c_char_p
    handle.onednn_destroy.argtypes = [ctypes.c_void_p]
    handle.onednn_destroy.restype = None
    handle.onednn_version.restype = ctypes.c_char_p
    number = handle.onednn_isa(isa.encode())
    if number < 0:
        raise BenchmarkError(f"unknown instruction set {isa}; known: {VNNI}, avx512_core_amx, {UNRESTRICTED}")
    status = handle.onednn_configure(0 if isa == UNRESTRICTED else number, threads)
    if status:
        raise BenchmarkError(f"oneDNN refused the instruction set {isa} (status {status})")
    _loaded = (isa, threads, handle)
    return handle
