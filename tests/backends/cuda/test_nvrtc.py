"""Which compiler is taken, what it says when it refuses, and that kernels do not depend on which it is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from emulated import accelerator, pick, workload

from heron_cli.backends.base import BuildError
from heron_cli.backends.cuda import compile as compiler
from heron_cli.backends.cuda import nvrtc as nvrtc_module
from heron_cli.backends.cuda.backend import backend
from heron_cli.backends.cuda.compile import resources
from heron_cli.backends.cuda.disassemble import disassembler, instructions
from heron_cli.backends.cuda.nvrtc import Nvrtc, complaint, nvrtc
from heron_cli.errors import InputError
from heron_cli.operators.workload import Workload
from heron_cli.schedule.task import Task
from heron_cli.trial import Candidate

HERE = nvrtc()
needs_nvrtc = pytest.mark.skipif(HERE is None, reason="no NVRTC here: pip install nvidia-cuda-nvrtc")
SMALL = 'extern "C" __global__ void heron_kernel(int* x) { x[threadIdx.x] += 1; }'


def library(folder: Path, version: str) -> str:
    """A library with NVRTC's names, some of them."""
    source, made = folder / "fake.c", folder / "libnvrtc.so.13"
    source.write_text(f"void nvrtcGetErrorString(void) {{}} void nvrtcCreateProgram(void) {{}} {version}")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(made), str(source)], check=True)
    return str(made)


def nvcc_is(version: tuple[int, int]) -> bool:
    """Whether nvcc is here, and of this version."""
    if shutil.which("nvcc") is None:
        return False
    said = subprocess.run(["nvcc", "--version"], capture_output=True, text=True).stdout
    return f"release {version[0]}.{version[1]}," in said


@pytest.mark.parametrize("minor", [3, 9])
def test_a_library_that_does_not_fit_is_not_used(tmp_path: Path, minor: int) -> None:
    old = f"int nvrtcVersion(int *major, int *minor) {{ *major = 12; return *minor = {minor}; }}"
    with pytest.raises(OSError, match=rf"NVRTC 12\.{minor}; 12\.4 to 12\.8, or 13"):
        Nvrtc(library(tmp_path, old))


def test_another_library_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="is not NVRTC"):
        Nvrtc(library(tmp_path, ""))


def test_the_next_one_is_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "libnvrtc.so.12"
    broken.write_text("no library")
    good = library(tmp_path, "int nvrtcVersion(int *major, int *minor) { *major = 13; return *minor = 0; }")
    monkeypatch.setattr(nvrtc_module, "_candidates", lambda: iter([str(broken), good]))
    found = nvrtc.__wrapped__()
    assert found is not None
    assert found.version == (13, 0)


def test_the_newest_comes_first_and_wheels_before_the_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("cu13/lib/libnvrtc.so.13", "cu13/lib/libnvrtc.alt.so.13", "cuda_nvrtc/lib/libnvrtc.so.12"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "cuda" / "lib64").mkdir(parents=True)
    (tmp_path / "cuda" / "lib64" / "libnvrtc.so.12.8.93").touch()
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(nvrtc_module.importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(nvrtc_module.shutil, "which", lambda name: None)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    monkeypatch.delenv("CUDA_PATH", raising=False)
    tried: list[str] = []

    def load(path: str) -> None:
        tried.append(path)
        raise OSError

    monkeypatch.setattr(nvrtc_module, "Nvrtc", load)
    assert nvrtc.__wrapped__() is None
    here = [path.removeprefix(f"{tmp_path}/") for path in tried if not path.startswith("/usr/local")]
    assert here == [
        "cu13/lib/libnvrtc.so.13", "libnvrtc.so.13",
        "cuda_nvrtc/lib/libnvrtc.so.12", "cuda/lib64/libnvrtc.so.12.8.93", "libnvrtc.so.12",
    ]  # fmt: skip


def test_without_any_compiler_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "nvrtc", lambda: None)
    monkeypatch.setattr(compiler.shutil, "which", lambda name: None)
    compiler.nvcc.cache_clear()
    with pytest.raises(InputError, match="pip install nvidia-cuda-nvrtc"):
        compiler.compiler()


def test_what_it_does_not_know_is_left_to_nvcc(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        def supports(self, arch: str) -> bool:
            return False

    monkeypatch.setattr(compiler, "nvrtc", Old)
    monkeypatch.setattr(compiler, "by_nvcc", lambda source, arch: (arch.encode(), "Used 7 registers"))
    assert compiler.to_cubin("", "sm_999") == (b"sm_999", resources("Used 7 registers"))


def test_the_first_error_is_the_complaint() -> None:
    said = "k.cu(1): warning #177-D: unused\n  k.cu(3): error: expected a ;  \nk.cu(4): error: another\n"
    assert complaint(said) == "k.cu(3): error: expected a ;"
    assert (
        complaint("ptxas fatal   : Unresolved extern function")
        == "ptxas fatal   : Unresolved extern function"
    )
    assert complaint("all is well") == ""


@needs_nvrtc
def test_it_reports_what_ptxas_does() -> None:
    assert HERE is not None
    code, said = HERE.compile(SMALL, "sm_80")
    assert code[:4] == b"\x7fELF"
    assert 0 < resources(said)["registers"] < 32
    assert HERE.supports("sm_90a")
    assert not HERE.supports("sm_1")


@needs_nvrtc
@pytest.mark.parametrize(
    ("source", "arch", "why"),
    [
        ("this is no C++", "sm_80", r"kernel\.cu\(1\): error: "),
        (SMALL.replace("x[", 'asm("wgmma.fence.sync.aligned;"); x['), "sm_80", "ptxas .*wgmma"),
        (SMALL, "sm_1", "arch"),
    ],
)
def test_a_refusal_is_one_line(source: str, arch: str, why: str) -> None:
    assert HERE is not None
    with pytest.raises(BuildError, match=f"nvrtc failed: .*{why}") as raised:
        HERE.compile(source, arch)
    assert "\n" not in str(raised.value)
    HERE.compile(SMALL, "sm_80")  # and it goes on


KERNELS = [
    ("tensorcore-sm80", "gather", workload("gemm", m=256, n=128, k=128)),
    ("tensorcore-sm90", "gather-threads-wgmma", workload("gemm", m=256, n=128, k=128)),
    ("tensorcore-sm90", "gather-bulk-wgmma", workload("gemm", m=256, n=128, k=128)),
]


@pytest.mark.slow
@pytest.mark.skipif(HERE is None or not nvcc_is(HERE.version), reason="needs NVRTC and nvcc of one version")
@pytest.mark.parametrize(("target", "name", "work"), KERNELS, ids=lambda each: str(each)[:24])
def test_kernels_are_those_of_nvcc(
    monkeypatch: pytest.MonkeyPatch, target: str, name: str, work: Workload
) -> None:
    task = Task(work, accelerator(target))
    candidate = Candidate.of(name, pick(task.variant(name), 0))
    mine = backend.build(task, candidate, threads=1)
    monkeypatch.setattr(compiler, "nvrtc", lambda: None)
    compiler.nvcc.cache_clear()
    theirs = backend.build(task, candidate, threads=1)
    assert mine.program == theirs.program
    assert mine.metrics["spill_bytes"] == theirs.metrics["spill_bytes"] == 0
    assert abs(mine.metrics["registers"] - theirs.metrics["registers"]) <= 4
    tool = disassembler()
    if tool is not None:
        assert instructions(mine.code, tool) == instructions(theirs.code, tool)
