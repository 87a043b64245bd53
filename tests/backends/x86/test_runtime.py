"""The C runtime by itself: a stress program, plain and under the thread sanitizer, and the CPU check."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from pathlib import Path

import pytest

from heron_cli.backends import tools
from heron_cli.backends.x86 import compiler, native
from heron_cli.backends.x86.host import Host
from heron_cli.errors import InputError

STRESS = Path(__file__).with_name("stress.c")
STRICT = ("-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror")


def build_stress(folder: Path, *flags: str) -> Path:
    program = folder / "stress"
    sources = [str(path) for path in [STRESS, *compiler.runtime_sources(timing=True)]]
    subprocess.run(
        [
            "cc",
            "-std=gnu11",
            "-O1",
            "-g",
            "-pthread",
            *flags,
            f"-I{compiler.RUNTIME}",
            *sources,
            "-o",
            program,
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return program


def test_stress(tmp_path: Path) -> None:
    done = subprocess.run(
        [build_stress(tmp_path, *STRICT), "300"], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_stress_under_a_sanitizer(tmp_path: Path, sanitizer: str) -> None:
    try:
        program = build_stress(tmp_path, f"-fsanitize={sanitizer}")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this compiler has no such sanitizer: {error.stderr.splitlines()[0]}")
    # both sanitizers refuse threads or report the pool's detached threads after fork unless told otherwise
    options = {
        "TSAN_OPTIONS": "die_after_fork=0",
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
    }
    done = subprocess.run(
        [program, "30"], env={**os.environ, **options}, capture_output=True, text=True, timeout=200
    )
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("the sanitizer does not support this kernel's address layout")
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_a_workspace_that_is_refused_says_so() -> None:
    library = native.runtime()._library
    library.TVMBackendAllocWorkspace.restype = ctypes.c_void_p
    for size in (1 << 62, 1 << 63):
        library.heron_runtime_clear_error()
        assert library.TVMBackendAllocWorkspace(1, 0, ctypes.c_uint64(size), 0, 8) is None
        assert native.runtime().error() == "out of memory for a workspace"
    library.heron_runtime_clear_error()


def test_waking_leaves_workers_the_cpus_that_they_have() -> None:
    """A sleeping worker is woken on another CPU than its caller's; what a user bound it to stays."""
    library = native.runtime()._library
    native.runtime().set_threads(2)
    done: list[int] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    def task(number: int, _group: int, _data: int) -> int:
        done.append(number)
        return 0

    def launch_asleep(times: int) -> None:
        done.clear()
        for _ in range(times):
            time.sleep(0.003)  # longer than workers spin
            assert library.TVMBackendParallelLaunch(task, None, 2) == 0
        assert sorted(done) == [0] * times + [1] * times

    launch_asleep(20)
    tasks = Path("/proc/self/task")
    workers = [int(each.name) for each in tasks.iterdir() if (each / "comm").read_text() == "heron-1\n"]
    every = os.sched_getaffinity(0)
    assert workers
    assert all(os.sched_getaffinity(worker) == every for worker in workers)
    for cpu in every:
        for worker in workers:
            os.sched_setaffinity(worker, {cpu})
        launch_asleep(10)
        assert all(os.sched_getaffinity(worker) == {cpu} for worker in workers)
    for worker in workers:
        os.sched_setaffinity(worker, every)
    native.runtime().set_threads(0)


def test_cpu_check_agrees_with_linux() -> None:
    library = ctypes.CDLL(str(native.compiled_runtime(native.cache_folder())))
    flags = Host().cpu_flags
    if "avx" not in flags:
        pytest.skip("Linux tells no flags here")
    tiles = {flag for flag in compiler.checkable_flags() if flag.startswith("amx")}  # need a permission too
    for flag in compiler.checkable_flags() - tiles:
        assert library.heron_runtime_cpu_has(flag.encode()) == (flag in flags), flag
    assert library.heron_runtime_cpu_has(b"avx513") == -1


def test_runtime_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = native.compiled_runtime(tmp_path / "deep" / "cache")
    stamp = first.stat().st_mtime_ns
    tools.tool.cache_clear()
    monkeypatch.setenv("PATH", "/nonexistent")
    try:
        assert native.compiled_runtime(tmp_path / "deep" / "cache") == first
        with pytest.raises(InputError, match="no 'cc' on the PATH; install a C compiler"):
            native.compiled_runtime(tmp_path / "other")
    finally:
        tools.tool.cache_clear()
    assert first.stat().st_mtime_ns == stamp
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_unwritable_cache_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        InputError, match=r"cannot write the compiled runtime to .*file/cache: Not a directory"
    ):
        native.compiled_runtime(tmp_path / "file" / "cache")


def test_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert native.cache_folder() == Path("/somewhere/heron")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the specification says: ignore
    monkeypatch.setenv("HOME", "/home/someone")
    assert native.cache_folder() == Path("/home/someone/.cache/heron")


def test_failing_tool_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.c").write_text("int f( {\n")
    with pytest.raises(tools.ToolError, match=r"failed: .*broken.c:1:.* error: ") as caught:
        tools.run_tool("cc", ["-c", "broken.c"], tmp_path)
    assert "\n" not in str(caught.value)
