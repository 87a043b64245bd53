"""C and C++ programs use an exported library through CMake, pkg-config and plain compiler calls."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("program.c")
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*command: object, **options: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture
def moved(library: Path, tmp_path: Path) -> Path:
    """The library somewhere else, under a name with a blank: nothing in it knows where it was written."""
    return Path(shutil.copytree(library, tmp_path / "moved here" / "kernels"))


@pytest.mark.skipif(not shutil.which("pkg-config"), reason="needs pkg-config")
def test_pkg_config(library: Path, tmp_path: Path) -> None:
    env = {"PKG_CONFIG_PATH": str(library / "lib/pkgconfig"), "PATH": "/usr/bin:/bin"}
    assert run("pkg-config", "--modversion", "heron-kernels", env=env).strip() == "1.2.3"
    flags = run("pkg-config", "--cflags", "--libs", "heron-kernels", env=env).split()
    run("cc", "-std=c99", *STRICT, PROGRAM, *flags, "-o", tmp_path / "program")
    run(tmp_path / "program", env={"LD_LIBRARY_PATH": str(library / "lib")})


@pytest.mark.skipif(not shutil.which("cmake"), reason="needs CMake")
@pytest.mark.parametrize("target", ["heron_kernels", "heron_kernels_static"])
def test_cmake(moved: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(user C)\n"
        "find_package(HeronKernels 1.1 REQUIRED)\n"
        f'add_executable(program "{PROGRAM}")\n'
        f"target_link_libraries(program HeronKernels::{target})\n"
    )
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={moved}")
    run("cmake", "--build", tmp_path / "build")
    run(tmp_path / "build/program")


@pytest.mark.skipif(not shutil.which("cmake"), reason="needs CMake")
@pytest.mark.parametrize("version", ["1.3", "2.0", "0.9"])
def test_cmake_refuses_an_unfit_version(library: Path, tmp_path: Path, version: str) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(user C)\n"
        f"find_package(HeronKernels {version} REQUIRED)\n"
    )
    command = ["cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={library}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "1.2.3" in done.stderr


def test_static_archive_and_cxx(library: Path, tmp_path: Path) -> None:
    if not shutil.which("c++"):
        pytest.skip("needs a C++ compiler")
    source = tmp_path / "program.cpp"
    source.write_text(PROGRAM.read_text())
    archive = library / "lib/libheron_kernels.a"
    flags = ["-std=c++11", *STRICT, f"-I{library / 'include'}"]
    run("c++", *flags, source, archive, "-lm", "-pthread", "-o", tmp_path / "program")
    run(tmp_path / "program")


def test_header_stands_alone(library: Path, tmp_path: Path) -> None:
    header = library / "include/heron_kernels.h"
    for language, standard in (("c", "c99"), ("c", "c17"), ("c++", "c++11"), ("c++", "c++20")):
        if language == "c" or shutil.which("c++"):
            run("cc", f"-std={standard}", "-x", language, *STRICT, "-fsyntax-only", header)


def test_needs_the_c_library_only(library: Path) -> None:
    shared = library / "lib/libheron_kernels.so"
    needed = set(re.findall(r"\(NEEDED\).*\[(\S+)\]", run("readelf", "-d", shared)))
    assert needed <= {"libc.so.6", "libm.so.6", "libpthread.so.0"}
    undefined = run("nm", "-D", "--undefined-only", shared)
    assert not re.search(r"TVM|Py|heron", undefined)


def test_shows_nothing_but_the_interface(library: Path) -> None:
    header = (library / "include/heron_kernels.h").read_text()
    declared = set(re.findall(r"\b(heron_\w+)\(", re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)))
    shared = run("nm", "-D", "--defined-only", library / "lib/libheron_kernels.so")
    assert {line.split()[-1] for line in shared.splitlines()} == declared
    static = run("nm", "--defined-only", "--extern-only", library / "lib/libheron_kernels.a")
    assert {line.split()[-1] for line in static.splitlines() if " " in line} == declared


def test_two_libraries_and_a_tvm_in_one_program(library: Path, tmp_path: Path) -> None:
    """The archive's hook variables do not meet those of a runtime that the program brings along."""
    source = tmp_path / "other.c"
    source.write_text(
        PROGRAM.read_text()
        + "int helper_of_kernels = 2; void *__TVMBackendParallelLaunch = 0;\n"
        + "int TVMBackendParallelLaunch(void) { return -1; }\n"
    )
    archive = library / "lib/libheron_kernels.a"
    run("cc", f"-I{library / 'include'}", source, archive, "-lm", "-pthread", "-o", tmp_path / "program")
    run(tmp_path / "program")
