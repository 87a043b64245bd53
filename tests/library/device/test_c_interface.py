"""C programs use a library of GPU kernels, with a stand-in for the driver."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from heron_cli.backends.cuda.toolchain import RUNTIME, toolchain
from heron_cli.library.device_dispatch import DeviceDispatch
from heron_cli.library.header import header
from heron_cli.library.interface import derive
from heron_cli.library.item import ExportItem
from heron_cli.library.style import DEVICE
from heron_cli.library.toolchain import NativeLibrary
from heron_cli.operators import registry

from .conftest import HERE, Stub

PROGRAM = HERE / "device_program.c"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
SHAPE = "grid=6,2,1 block=128,1,1 shared=98304"


def compile_it(*words: object) -> None:
    done = subprocess.run(["cc", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def program(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("program") / "program"
    flags = [
        "-std=c11",
        *STRICT,
        f"-I{library / 'include'}",
        PROGRAM,
        f"-L{library / 'lib'}",
        "-lheron_kernels",
    ]
    compile_it(*flags, f"-Wl,-rpath,{library / 'lib'}", "-pthread", "-o", out)
    return out


def test_calls_and_refusals(program: Path, stub: Stub) -> None:
    stub.run(program, "works")
    launches = stub.calls("cuLaunchKernel")
    assert [re.sub(r" parameters=.*", "", call) for call in launches] == [
        "cuLaunchKernel heron_kernel_pack grid=3,1,1 block=256,1,1 shared=0 stream=0x40 device=0",
        f"cuLaunchKernel heron_kernel {SHAPE} stream=0x40 device=0",
        f"cuLaunchKernel heron_kernel {SHAPE} stream=(nil) device=0",
        "cuLaunchKernel heron_kernel grid=6,2,1 block=128,1,1 shared=1024 stream=0x40 device=0",
    ]
    assert stub.calls("cuMemcpyDtoDAsync") == ["cuMemcpyDtoDAsync 30 stream=0x40"]
    assert stub.calls("cuInit") == ["cuInit"]
    assert stub.calls("cuDevicePrimaryCtxRetain") == ["cuDevicePrimaryCtxRetain 0"]
    # beyond 48 KiB shared memory is asked for, once, and only by the kernel that takes so much
    assert stub.calls("cuFuncSetAttribute") == ["cuFuncSetAttribute heron_kernel 8=98304"]
    loads = stub.calls("cuModuleLoadData")  # two that work, a damaged one, one without a function
    assert (
        loads == ["cuModuleLoadData device=0 mode=2"] * 4
    )  # 2: loading may happen while a graph is captured
    assert stub.calls("cuModuleUnload") == ["cuModuleUnload"]  # of the one that lacks a function


def test_by_index_in_the_primary_context_of_each_device(program: Path, stub: Stub) -> None:
    stub.run(program, "index")
    runs = [call for call in stub.calls("cuLaunchKernel") if " heron_kernel " in call]
    assert [call.split(" device=")[1][0] for call in runs] == ["0", "0", "1"]
    assert stub.calls("cuModuleLoadData") == [f"cuModuleLoadData device={d} mode=2" for d in (0, 1)]
    assert stub.calls("cuDevicePrimaryCtxRetain") == [f"cuDevicePrimaryCtxRetain {d}" for d in (0, 1)]


def test_many_threads_load_once(program: Path, stub: Stub) -> None:
    stub.run(program, "threads")
    assert len(stub.calls("cuModuleLoadData")) == len(stub.calls("cuInit")) == 1
    assert len(stub.calls("cuLaunchKernel heron_kernel ")) == 16 * 20


@pytest.mark.parametrize(
    ("fail", "status", "query", "load", "why"),
    [
        ("cuInit=100", 8, 8, 8, "cuInit: no CUDA-capable device is detected (100)"),
        ("cuInit=803", 7, 7, 7, "cuInit: unknown error (803)"),
        ("cuDeviceGet=101", 8, 8, 8, "cuDeviceGet: unknown error (101)"),
        ("cuDevicePrimaryCtxRetain=2", 5, 0, 5, "cuDevicePrimaryCtxRetain: unknown error (2)"),
        ("cuModuleLoadData=209", 2, 0, 2, "cuModuleLoadData: unknown error (209)"),
        ("cuModuleLoadData=2", 5, 0, 5, "cuModuleLoadData: unknown error (2)"),
        ("cuFuncSetAttribute=1", 6, 0, 6, "cuFuncSetAttribute: unknown error (1)"),
        ("cuLaunchKernel=719", 6, 0, 0, "cuLaunchKernel: unspecified launch failure (719)"),
    ],
)
def test_driver_that_refuses(
    program: Path, stub: Stub, fail: str, status: int, query: int, load: int, why: str
) -> None:
    stub.run(program, "refused", status, query, load, why, fail=fail)


@pytest.mark.parametrize(("capability", "name"), [(80, "8.0"), (100, "10.0"), (91, "9.1")])
def test_other_architecture(program: Path, stub: Stub, capability: int, name: str) -> None:
    why = f"the GPU has compute capability {name}; the kernel is for sm_90a"
    stub.run(program, "refused", 2, 2, 2, why, capability=capability)
    assert stub.calls("cuModuleLoadData") == []


def test_no_driver(
    program: Path, stub_of: Callable[[Path], Stub], broken_driver: Path, old_driver: Path
) -> None:
    stub_of(broken_driver).run(program, "refused", 7, 7, 7, "libcuda.so.1")
    why = "the NVIDIA driver is too old: it has no cuThreadExchangeStreamCaptureMode"
    stub_of(old_driver).run(program, "refused", 7, 7, 7, why)


@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
@pytest.mark.parametrize("what", ["works", "index", "threads"])
def test_sanitizers(
    items: Sequence[ExportItem], stub: Stub, tmp_path: Path, sanitizer: str, what: str
) -> None:
    interface = derive(items, registry.get)
    (tmp_path / "heron_kernels.h").write_text(header(interface, "1.2.3", "0.1.0", DEVICE))
    (tmp_path / "dispatch.c").write_text(DeviceDispatch(interface, "0" * 32).text())
    kernels = [(entry.internal, entry.item.kernel) for entry in interface.entries]
    native = NativeLibrary(kernels, [tmp_path / "dispatch.c", *DEVICE.sources], [], [])
    includes = [f"-I{path}" for path in (tmp_path, *DEVICE.includes, RUNTIME)]
    flags = ["-std=gnu11", "-g", "-O1", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"]
    sources = [*toolchain.sources(native, tmp_path), PROGRAM]
    probe = ["cc", flags[3], "-x", "c", "-", "-o", str(tmp_path / "probe")]
    if subprocess.run(probe, input="int main(void){return 0;}", text=True, capture_output=True).returncode:
        pytest.skip(f"this compiler has no sanitizer '{sanitizer}'")
    compile_it(*flags, *includes, *sources, "-o", tmp_path / "program", "-ldl", "-pthread")
    options = {
        "ASAN_OPTIONS": "detect_leaks=0",
        "TSAN_OPTIONS": "halt_on_error=1",
    }  # the stub keeps its modules
    said = stub.run(tmp_path / "program", what, **options)
    assert "WARNING" not in said and "ERROR" not in said


@pytest.mark.skipif(not shutil.which("pkg-config"), reason="needs pkg-config")
def test_pkg_config_static(library: Path, stub: Stub, tmp_path: Path) -> None:
    env = {"PKG_CONFIG_PATH": str(library / "lib/pkgconfig"), "PATH": "/usr/bin:/bin"}
    command = ["pkg-config", "--cflags", "--libs", "--static", "heron-kernels"]
    flags = subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout.split()
    assert {"-ldl", "-pthread"} <= set(flags)
    plain = [flag for flag in flags if flag != "-lheron_kernels"]
    archive = library / "lib/libheron_kernels.a"
    compile_it("-std=c11", *STRICT, PROGRAM, archive, *plain, "-o", tmp_path / "program")
    stub.run(tmp_path / "program", "works")


@pytest.mark.skipif(not shutil.which("cmake"), reason="needs CMake")
@pytest.mark.parametrize("target", ["heron_kernels", "heron_kernels_static"])
def test_cmake(library: Path, stub: Stub, tmp_path: Path, target: str) -> None:
    moved = Path(shutil.copytree(library, tmp_path / "moved here" / "kernels"))
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(user C)\n"
        "find_package(HeronKernels 1.1 REQUIRED)\n"
        f'add_executable(program "{PROGRAM}")\n'
        f"target_link_libraries(program HeronKernels::{target} pthread)\n"
    )
    for command in (
        ["cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={moved}"],
        ["cmake", "--build", tmp_path / "build"],
    ):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    stub.run(tmp_path / "build/program", "works")


def test_header_stands_alone(library: Path) -> None:
    file = library / "include/heron_kernels.h"
    for language, standard in (("c", "c99"), ("c", "c17"), ("c++", "c++11"), ("c++", "c++20")):
        if language == "c" or shutil.which("c++"):
            compile_it(f"-std={standard}", "-x", language, *STRICT, "-fsyntax-only", file)


def test_needs_nothing_of_cuda_and_shows_its_interface(library: Path) -> None:
    def tool(*command: object) -> str:
        words = [str(word) for word in command]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    shared = library / "lib/libheron_kernels.so"
    needed = set(re.findall(r"\(NEEDED\).*\[(\S+)\]", tool("readelf", "-d", shared)))
    assert {re.sub(r"\.so.*", "", name) for name in needed} <= {
        "libc",
        "libpthread",
        "libdl",
        "ld-linux-x86-64",
    }
    assert not re.search(r"\bcu[A-Z]|TVM|Py", tool("nm", "-D", "--undefined-only", shared))
    text = re.sub(r"/\*.*?\*/", "", (library / "include/heron_kernels.h").read_text(), flags=re.DOTALL)
    declared = set(re.findall(r"\b(heron_\w+)\(", text))
    shown = tool("nm", "-D", "--defined-only", shared)
    assert {line.split()[-1] for line in shown.splitlines()} == declared
    static = tool("nm", "--defined-only", "--extern-only", library / "lib/libheron_kernels.a")
    assert {line.split()[-1] for line in static.splitlines() if " " in line} == declared
