"""The Python loader of libraries of GPU kernels, with a stand-in for the driver."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import HERE, Stub

CASES = HERE / "loader_cases.py"
SPECIAL = {"streams", "devices", "threads", "cannot_load", "launch_fails"}
PLAIN = [
    node.name.removeprefix("case_")
    for node in ast.parse(CASES.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("case_")
]


def run(stub: Stub, case: str, library: Path, *arguments: str, **options: object) -> None:
    stub.run(sys.executable, CASES, case, library, *arguments, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", sorted(set(PLAIN) - SPECIAL))
def test_case(stub: Stub, library: Path, case: str) -> None:
    run(stub, case, library)


def test_streams(stub: Stub, library: Path) -> None:
    run(stub, "streams", library)
    used = [call.split("stream=")[1].split()[0] for call in stub.calls("cuLaunchKernel")]
    assert used == ["0x70", "(nil)", "0x80", "(nil)", "0x90", "(nil)", "0xa0", "0xb0", "0xc0"]


def test_devices(stub: Stub, library: Path) -> None:
    run(stub, "devices", library)
    assert {call.split("device=")[1][0] for call in stub.calls("cuLaunchKernel")} == {"1"}


def test_threads_load_once(stub: Stub, library: Path) -> None:
    run(stub, "threads", library)
    assert len(stub.calls("cuModuleLoadData")) == 1
    assert len(stub.calls("cuLaunchKernel heron_kernel ")) == 8 * 20


def test_operands_arrive_in_order(stub: Stub, library: Path) -> None:
    code = """
import sys, numpy as np
from heron_cli.library import load
from tensors import Interface, on_gpu
kernel = load(sys.argv[1]).find("gemm", k=6)
operands = [on_gpu(np.zeros(s, t)) for s, t in (((4, 6), "u1"), ((5, 6), "i1"), ((4, 5), "i4"))]
kernel(*map(Interface, operands[:2]), out=Interface(operands[2]), stream=0x40)
print(",".join(hex(operand.ctypes.data) for operand in operands))
"""
    printed = stub.python(code, library).split()[-1]
    (call,) = stub.calls("cuLaunchKernel")
    assert call.endswith(f"grid=6,2,1 block=128,1,1 shared=1024 stream=0x40 device=0 parameters={printed}")


def test_launch_that_fails(stub: Stub, library: Path) -> None:
    run(stub, "launch_fails", library, fail="cuLaunchKernel=719")


def test_library_that_cannot_run_here(
    stub: Stub, stub_of: Callable[[Path], Stub], broken_driver: Path, library: Path
) -> None:
    run(
        stub_of(broken_driver),
        "cannot_load",
        library,
        "no NVIDIA driver that works is installed: .*libcuda.so.1",
    )
    run(stub, "cannot_load", library, "there is no such GPU: cuInit: no CUDA-capable", fail="cuInit=100")
    wrong = (
        "the GPU is not of the architecture .*: the GPU has compute capability 7.5; the kernel is for sm_90a"
    )
    run(stub, "cannot_load", library, wrong, capability=75)
    assert stub.calls("cuDevicePrimaryCtxRetain") == []  # looking takes no memory of the GPU
