"""Libraries of fake cubins, and a stand-in for the NVIDIA driver that runs them on the CPU."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from heron_cli.backends.base import Kernel, Operand
from heron_cli.backends.cuda.toolchain import toolchain
from heron_cli.library.export import export
from heron_cli.library.item import ExportItem, Fallback
from heron_cli.operators import registry
from heron_cli.operators.workload import make

from ..conftest import record_of

HERE = Path(__file__).parent
MakeItem = Callable[..., ExportItem]


@pytest.fixture(scope="session")
def make_gemm() -> MakeItem:
    """A kernel of gemm for the stub: make_gemm(m, n, k), with what else it should be."""

    def build(
        m: int,
        n: int,
        k: int,
        packs: bool = True,
        architecture: str = "sm_90a",
        shared: int = 98304,
        image: str | None = None,
    ) -> ExportItem:
        workload = make("gemm", {"m": m, "n": n, "k": k})
        operands = tuple(
            Operand(name, spec.shape, spec.dtype, k * n if packs and spec.constant else None)
            for name, spec in registry.get("gemm").specs(workload).items()
        )
        launch = {"blocks": 6, "split": 2, "threads": 128, "shared": shared}
        if packs:
            launch |= {"pack_blocks": 3, "pack_threads": 256}
        functions = f"heron_kernel:3{' heron_kernel_pack:2' if packs else ''}"
        text = image or f"STUB {functions} gemm:{m},{n},{k}\n"
        code = text.encode() + random.Random(workload.key).randbytes(1000)
        kernel = Kernel("heron_kernel", operands, code, f"program of {workload.key}", launch=launch)
        record = record_of(workload, seconds=2e-5, target="toy-gpu")
        return ExportItem(workload, kernel, record, (architecture,))

    return build


@pytest.fixture(scope="session")
def items(make_gemm: MakeItem) -> list[ExportItem]:
    return [
        make_gemm(17, 33, 21),
        make_gemm(4, 5, 6, packs=False, shared=1024),
        make_gemm(4, 5, 7, architecture="sm_80"),
        make_gemm(4, 5, 8, image="not a cubin at all\n"),
        make_gemm(4, 5, 9, shared=1024, image="STUB heron_kernel:3\n"),  # lacks the function that packs
    ]


@pytest.fixture(scope="session")
def library(items: list[ExportItem], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported library; tests must not write to it."""
    out = tmp_path_factory.mktemp("out") / "kernels"
    fallback = Fallback(make("gemm", {"m": 3, "n": 3, "k": 3}), "never tuned")
    export(items, out, toolchain, fallbacks=[fallback], version="1.2.3", check=False)
    return out


def _compiled(folder: Path, *flags: str) -> Path:
    command = [
        "cc",
        "-shared",
        "-fPIC",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        *flags,
        "-Wl,-soname,libcuda.so.1",
    ]
    subprocess.run([*command, HERE / "stub_cuda.c", "-o", folder / "libcuda.so.1", "-pthread"], check=True)
    return folder


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stand-in for the driver, for LD_LIBRARY_PATH."""
    return _compiled(tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="session")
def old_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that lacks a function."""
    return _compiled(tmp_path_factory.mktemp("old"), "-DSTUB_OLD")


@pytest.fixture(scope="session")
def broken_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that cannot be opened, whatever this machine has installed."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "libcuda.so.1").write_text("nothing that can be loaded")
    return folder


class Stub:
    """Runs programs with a driver in a process of their own, and tells what they called."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder, self.log = folder, log

    def run(self, *command: object, fail: str = "", capability: int = 90, **more: str) -> str:
        """What the program prints; it must end with 0."""
        self.log.unlink(missing_ok=True)
        env = {**os.environ, "LD_LIBRARY_PATH": str(self.folder), "STUB_LOG": str(self.log), **more}
        env |= {"STUB_FAIL": fail, "STUB_CAPABILITY": str(capability)}
        words = [str(word) for word in command]
        done = subprocess.run(words, capture_output=True, text=True, env=env, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def python(self, code: str, *arguments: object, **options: object) -> str:
        """Run Python code, which finds the tests' helpers in `tensors`."""
        return self.run(sys.executable, "-c", code, *arguments, PYTHONPATH=str(HERE), **options)  # type: ignore[arg-type]

    def calls(self, name: str = "") -> list[str]:
        """The calls that were made, or those of one function."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if line.startswith(name)]


@pytest.fixture
def stub(driver: Path, tmp_path: Path) -> Stub:
    return Stub(driver, tmp_path / "calls.log")


@pytest.fixture
def stub_of(tmp_path: Path) -> Callable[[Path], Stub]:
    return lambda folder: Stub(folder, tmp_path / "calls.log")
