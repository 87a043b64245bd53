"""TIR → CUDA source by TVM, → machine code by NVRTC or nvcc; and what ptxas says of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from heron_cli.backends.base import BuildError
from heron_cli.backends.cuda.nvrtc import complaint, nvrtc
from heron_cli.errors import InputError

_DEVICE = Path(__file__).parent / "device"
_BOUNDS = re.compile(r"__launch_bounds__\((\d+)\)( heron_kernel\()")  # not of the function that packs
_COMPILES, _TURNS = "tvm_callback_cuda_compile", threading.Lock()
_SHARED = re.compile(r"(extern __shared__ __align__\(\d+\) uchar )(\w+)\[\];")


def to_source(functions: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    """The CUDA source of kernels, without the functions that they call. Raises BuildError in one line."""
    import tvm

    machine = tvm.target.Target(dict(target))
    passes = tvm.tirx.transform
    module = tvm.IRModule(
        {name: f.with_attr("target", machine).with_attr("calling_conv", 2) for name, f in functions.items()}
    )
    try:
        lowered = tvm.ir.transform.Sequential(
            [
                passes.NarrowDataType(32),
                passes.RemoveNoOp(),
                passes.StmtSimplify(),  # most of the time that TVM takes
                passes.LowerIntrin(),
            ]
        )(module)
        with _only_source():
            return str(tvm.get_global_func("target.build.cuda")(lowered, machine).inspect_source())
    except Exception as error:  # TVM raises many types; each one is a rejected candidate, told in one line
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise BuildError(f"{type(error).__name__}: {lines[-1] if lines else 'no message'}"[:300]) from error


@contextmanager
def _only_source() -> Iterator[None]:
    """Keeps TVM from compiling what it emits: where a driver is installed it would, with its own options.

    What compiles for others in this process is put back. All threads share the registry: they take turns.
    """
    import tvm

    with _TURNS:
        usual = tvm.get_global_func(_COMPILES)
        tvm.register_global_func(_COMPILES, lambda code: b"/", override=True)
        try:
            yield
        finally:
            tvm.register_global_func(_COMPILES, usual, override=True)


def whole_source(emitted: str, instruction: str, *, hopper: bool, cluster: int, blocks: int = 1) -> str:
    """A translation unit: the functions that kernels call, then the kernels that TVM emitted."""
    kernels = emitted[emitted.index('extern "C" __global__') :]
    bounds = rf"__launch_bounds__(\1, {blocks})\2"
    if cluster > 1:
        bounds = f"__cluster_dims__(1, {cluster}, 1) {bounds}"
    # a loop over stages, unrolled by the compiler, keeps the addresses of many stages in registers
    kernels = kernels.replace("  for (int turn", "  #pragma unroll 1\n  for (int turn")
    # shared memory by 32-bit addresses, see types.cuh
    kernels = _SHARED.sub(r"\1\2_bytes[];\n  const heron_memory \2 = heron_open(\2_bytes);", kernels)
    headers = ["types.cuh", "heron.cuh", *(["hopper.cuh"] if hopper else [])]
    return "\n".join([*map(_header, headers), instruction, _BOUNDS.sub(bounds, kernels)])


@cache
def _header(name: str) -> str:
    return (_DEVICE / name).read_text()


def compiler() -> str:
    """What compiles here, "nvrtc 13.0" or the path of nvcc. Raises InputError when there is neither."""
    library = nvrtc()
    return nvcc() if library is None else f"nvrtc {library.version[0]}.{library.version[1]}"


@cache
def nvcc() -> str:
    """The path of nvcc. Raises InputError when there is none."""
    found = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    if found is None:
        raise InputError(
            "neither NVRTC nor 'nvcc' is here; pip install nvidia-cuda-nvrtc, "
            "or install NVIDIA's CUDA toolkit (12.4 or newer)"
        )
    return found


def to_cubin(source: str, arch: str) -> tuple[bytes, dict[str, float]]:
    """Machine code for an architecture such as "sm_80", and its metrics: see `resources`.

    By NVRTC where there is one that knows the architecture, else by nvcc. Raises BuildError with the
    compiler's first complaint.
    """
    library = nvrtc()
    if library is not None and library.supports(arch):
        code, said = library.compile(source, arch)
    else:
        code, said = by_nvcc(source, arch)
    return code, resources(said)


def by_nvcc(source: str, arch: str) -> tuple[bytes, str]:
    """Machine code, and what nvcc and ptxas said. Raises BuildError with nvcc's first complaint."""
    number = arch.removeprefix("sm_")
    with tempfile.TemporaryDirectory(prefix="heron-") as name:
        text, binary = Path(name) / "kernel.cu", Path(name) / "kernel.cubin"
        text.write_text(source)
        command = [
            nvcc(), "--cubin", "-O3", "-std=c++17", f"-gencode=arch=compute_{number},code=sm_{number}",
            "-Xptxas", "-v", "-o", str(binary), str(text),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        said = done.stderr + done.stdout
        if done.returncode:
            raise BuildError(f"nvcc failed: {complaint(said) or 'no message'}"[:300])
        return binary.read_bytes(), said


def resources(report: str, symbol: str = "heron_kernel") -> dict[str, float]:
    """What ptxas reports of one kernel: `registers` of a thread, `spill_bytes` and `stack_bytes`; and
    `serialized`, 1 where it gave up overlapping warpgroup products.
    """
    part = re.search(
        rf"Compiling entry function '{symbol}'.*?(?=Compiling entry function|\Z)", report, re.DOTALL
    )
    text = part.group() if part else report

    def number(pattern: str) -> float:
        found = re.search(pattern, text)
        return float(found[1]) if found else 0.0

    return {
        "registers": number(r"Used (\d+) registers"),
        "spill_bytes": number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads"),
        "stack_bytes": number(r"(\d+) bytes stack frame"),
        "serialized": float("wgmma.mma_async instructions are serialized" in report),
    }
