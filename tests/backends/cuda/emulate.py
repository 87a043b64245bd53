"""Runs an emitted CUDA kernel on the CPU: the same source, the device functions of emulator.h."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import subprocess
import tempfile
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from heron_cli.backends.buffers import item_bytes
from heron_cli.backends.cuda import pack
from heron_cli.backends.cuda.compile import to_source
from heron_cli.backends.cuda.emit import Emitted, KernelEmitter

_C = {
    "float16": "__half", "bfloat16": "__nv_bfloat16", "float32": "float",
    "int32": "int", "int8": "signed char", "uint8": "unsigned char",
}  # fmt: skip
_HEADER = Path(__file__).parent / "emulator.h"
_FLAGS = ("-O1", "-std=c++17", "-w", "-fPIC", "-fno-strict-aliasing")


def run(
    nest: Any, operands: dict[str, np.ndarray], *, seed: int = 0, late: bool = True, shape: tuple[int, ...]
) -> np.ndarray:
    """The output of a nest's kernel, by emulation; `operands` by name, floats already in the nest's types."""
    emitted = KernelEmitter(nest).emit("heron_kernel")
    functions = {"heron_kernel": emitted.function}
    if emitted.packed is not None:
        functions["heron_kernel_pack"], extents = pack.emit(
            "heron_kernel_pack", emitted.geometry, emitted.packed
        )
    library = ctypes.CDLL(str(_compiled(_unit(nest, emitted, functions))))
    arrays = {name: _aligned(array) for name, array in operands.items()}
    if emitted.packed is not None:
        form = emitted.packed
        size = prod(form.shape()) * item_bytes(form.dtype)
        packed = _aligned(np.full(size, 0xFF, np.uint8))
        blocks, threads = extents["blockIdx.x"], extents["threadIdx.x"]
        assert library.run_pack(_at(arrays["weight"]), _at(packed), blocks, 1, threads, 0, seed, 0, 0) == 0
        arrays["weight"] = packed
    output = _aligned(np.full(prod(shape) * item_bytes(nest.einsum.output.dtype), 0xFF, np.uint8))
    order = ["input", "weight", *(access.name for access in nest.einsum.finishing)]
    geometry = emitted.geometry
    maps = [_map(each, arrays[order[each["operand"]]]) for each in emitted.maps]
    status = library.run_kernel(
        *(_at(arrays[name]) for name in order), _at(output), *maps,
        geometry.blocks, geometry.cluster, geometry.threads, geometry.shared_bytes, seed, int(late),
        int(nest.overlap),
    )  # fmt: skip
    assert status == 0, "the emulator stopped; see stderr"
    return output.view(_numpy(nest.einsum.output.dtype)).reshape(shape)


class _Map(ctypes.Structure):
    """The emulator's CUtensorMap."""

    _fields_ = (
        ("base", ctypes.c_void_p),
        ("rank", ctypes.c_long), ("column", ctypes.c_long), ("item", ctypes.c_long),
        ("swizzle", ctypes.c_long), ("extents", ctypes.c_long * 5), ("strides", ctypes.c_long * 5),
        ("box", ctypes.c_long * 5), ("lower", ctypes.c_long * 3), ("upper", ctypes.c_long * 3),
        ("steps", ctypes.c_long * 5), ("channels", ctypes.c_long), ("pixels", ctypes.c_long),
    )  # fmt: skip


def _map(description: dict[str, Any], array: np.ndarray) -> _Map:
    item = item_bytes(description["type"])
    made = _Map(
        array.ctypes.data,
        len(description["extents"]),
        description["mode"] == "column",
        item,
        description["swizzle"],
    )
    made.extents[: len(description["extents"])] = description["extents"]
    strides = [item, *description["strides"]]
    made.strides[: len(strides)] = strides
    for stride in description["strides"][: len(description["extents"]) - 1]:
        assert stride % 16 == 0 and stride > 0, description
    for name in ("box", "lower", "upper", "steps"):
        values = description.get(name, [])
        getattr(made, name)[: len(values)] = values
    made.channels, made.pixels = description.get("channels", 0), description.get("pixels", 0)
    assert all(1 <= side <= 256 for side in description.get("box", [1])), description
    return made


def _unit(nest: Any, emitted: Emitted, functions: dict[str, Any]) -> str:
    source = to_source(functions, {"kind": "cuda", "arch": "sm_90a"})
    kernels = source[source.index('extern "C" __global__') :]
    kernels = re.sub(
        r"extern __shared__ __align__\(\d+\) uchar (\w+)\[\];",
        r"uchar* \1 = emu::self->block->shared;",
        kernels,
    )
    einsum, shape = nest.einsum, nest.shape
    types = ", ".join(_C[dtype] for dtype in (einsum.input.dtype, einsum.weight.dtype, einsum.accumulate))
    geometry = emitted.geometry
    if geometry.grouped:
        flags = (
            [int(flag) for flag in re.findall(r", 1, 1, (\d), (\d);", emitted.instruction)[0]]
            if einsum.accumulate == "float32" and item_bytes(einsum.input.dtype) == 2
            else [0, 0]
        )
        n = geometry.units("n") * shape["n"]
        product = (
            "HERON void heron_wgmma(void* s, unsigned long long a, unsigned long long b) "
            f"{{ emu::wgmma<{shape['m']}, {n}, {shape['k']}, {flags[0]}, {flags[1]}, {types}>(s, a, b); }}\n"
        )
    else:
        product = (
            "HERON void heron_mma(void* s, const void* a, const void* b) "
            f"{{ emu::mma<{shape['m']}, {shape['n']}, {shape['k']}, {types}>(s, a, b); }}\n"
        )
    entries = ""
    for symbol, name in (("heron_kernel", "run_kernel"), ("heron_kernel_pack", "run_pack")):
        if symbol not in functions:
            continue
        count = len(functions[symbol].params)
        kernels = kernels.replace("const __grid_constant__ CUtensorMap", "CUtensorMap")
        kinds = re.search(rf"{symbol}\(([^)]*)\)", kernels)[1].replace("__restrict__ ", "")
        names = [part.split()[-1] for part in kinds.split(",")]
        assert len(names) == count
        launch = "blocks, split, threads, bytes, seed, late, overlaps"
        entries += (
            f'extern "C" int {name}({kinds}, int {launch.replace(", ", ", int ")}) {{\n'
            f"  return emu::launch([=] {{ {symbol}({', '.join(names)}); }}, {launch});\n}}\n"
        )
    return f'#include "{_HEADER.name}"\n{product}{kernels}\n{entries}'


def _compiled(text: str) -> Path:
    folder = _precompiled()
    library = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.so"
    if not library.exists():
        source = library.with_suffix(".cpp")
        source.write_text(text)
        _compile("-shared", f"-I{folder}", str(source), to=library)
    return library


@cache
def _precompiled() -> Path:
    """A folder with the header, compiled ahead of the kernels that include it."""
    text = _HEADER.read_bytes()
    folder = Path(tempfile.gettempdir()) / f"heron-emulated-{hashlib.sha256(text).hexdigest()[:16]}"
    folder.mkdir(exist_ok=True)
    header = folder / _HEADER.name
    header.write_bytes(text)
    if not header.with_suffix(".h.gch").exists():
        _compile("-x", "c++-header", str(header), to=header.with_suffix(".h.gch"))
    return folder


def _compile(*arguments: str, to: Path) -> None:
    part = to.with_name(f"{to.name}.{os.getpid()}")  # appears whole or not at all
    command = ["g++", *_FLAGS, *arguments, "-o", str(part)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]
    part.replace(to)


def _numpy(dtype: str) -> Any:
    if dtype == "bfloat16":
        import ml_dtypes

        return ml_dtypes.bfloat16
    return np.dtype(dtype)


def _aligned(array: np.ndarray) -> np.ndarray:
    raw = np.empty(array.nbytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    view = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def _at(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
