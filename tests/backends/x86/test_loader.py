from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heron_cli.backends import tools
from heron_cli.backends.base import Kernel, Operand
from heron_cli.backends.buffers import aligned_empty
from heron_cli.backends.x86.loader import NativeKernel, load
from heron_cli.errors import InputError

MakeScale = Callable[[int], Kernel]


def buffers_for(loaded: NativeKernel, n: int, weight: int = 3) -> tuple[list[np.ndarray], np.ndarray]:
    data = aligned_empty((n,), "uint8")
    data[...] = np.arange(n) % 90
    packed = loaded.pack(np.array([weight], np.int8))
    output = aligned_empty((n,), "int32")
    output[...] = -7
    return [data, packed, output], data.astype(np.int32) * weight


@pytest.mark.parametrize("threads", [1, 2, 5, 0])
def test_call_is_exact_with_any_thread_count(make_scale: MakeScale, threads: int) -> None:
    loaded = load(make_scale(1001), threads=threads)
    buffers, expected = buffers_for(loaded, 1001)
    loaded.call(buffers)
    np.testing.assert_array_equal(buffers[-1], expected)


def test_repeat_runs_the_kernel_and_returns_seconds(make_scale: MakeScale) -> None:
    loaded = load(make_scale(64), threads=2)
    buffers, expected = buffers_for(loaded, 64)
    one, many = loaded.repeat(buffers, 1), loaded.repeat(buffers, 2000)
    assert one > 0
    assert many > 0
    np.testing.assert_array_equal(buffers[-1], expected)


def test_repeat_counts_its_calls(compile_object: Callable[[str], bytes]) -> None:
    code = compile_object("int32_t bump(int32_t *output) { ++*output; return 0; }")
    loaded = load(Kernel("bump", (Operand("output", (1,), "int32"),), code, ""), threads=1)
    output = aligned_empty((1,), "int32")
    output[0] = 0
    loaded.repeat([output], 123)
    assert output[0] == 123


def test_two_kernels_of_one_symbol_keep_apart(make_scale: MakeScale) -> None:
    first, second = load(make_scale(8), threads=2), load(make_scale(16), threads=2)
    for loaded, n in ((first, 8), (second, 16), (first, 8)):
        buffers, expected = buffers_for(loaded, n, weight=-5)
        loaded.call(buffers)
        np.testing.assert_array_equal(buffers[-1], expected)


def test_failing_kernel_says_why(make_scale: MakeScale) -> None:
    loaded = load(make_scale(8), threads=2)
    buffers, _ = buffers_for(loaded, 8)
    buffers[0][0] = 99
    with pytest.raises(RuntimeError, match="input 99 is not wanted"):
        loaded.call(buffers)
    with pytest.raises(RuntimeError, match="input 99 is not wanted"):
        loaded.repeat(buffers, 10)


def test_bad_buffers_are_refused(make_scale: MakeScale) -> None:
    loaded = load(make_scale(64), threads=1)
    buffers, _ = buffers_for(loaded, 64)
    with pytest.raises(ValueError, match="takes 3 buffers, got 2"):
        loaded.call(buffers[:2])
    with pytest.raises(ValueError, match="'output' has 128 bytes; the kernel takes 256"):
        loaded.call([*buffers[:2], buffers[2][:32]])
    shifted = aligned_empty((65,), "uint8")[1:]
    with pytest.raises(ValueError, match="'input' must be C-contiguous and 64-byte aligned"):
        loaded.call([shifted, *buffers[1:]])
    with pytest.raises(ValueError, match=r"'weight' is int32 \(1,\); the kernel takes int8 \(1,\)"):
        loaded.pack(np.zeros(1, np.int32))


def test_object_without_the_symbol(make_scale: MakeScale) -> None:
    with pytest.raises(RuntimeError, match="does not define nothing"):
        load(replace(make_scale(8), symbol="nothing"), threads=1)


def test_closed_kernel_refuses(make_scale: MakeScale) -> None:
    loaded = load(make_scale(8), threads=1)
    buffers, _ = buffers_for(loaded, 8)
    loaded.close()
    loaded.close()
    with pytest.raises(RuntimeError, match="was closed"):
        loaded.call(buffers)


def test_kernels_from_many_python_threads(make_scale: MakeScale) -> None:
    loaded = [load(make_scale(100 + i), threads=2) for i in range(4)]
    wrong: list[int] = []

    def work(i: int) -> None:
        buffers, expected = buffers_for(loaded[i], 100 + i, weight=i + 1)
        for _ in range(200):
            buffers[-1][...] = -7
            loaded[i].call(buffers)
            if not np.array_equal(buffers[-1], expected):
                wrong.append(i)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_fork_after_use(make_scale: MakeScale) -> None:
    loaded = load(make_scale(1000), threads=3)
    buffers, expected = buffers_for(loaded, 1000)
    loaded.call(buffers)
    child = os.fork()
    if child == 0:
        buffers[-1][...] = -7
        loaded.call(buffers)
        os._exit(0 if np.array_equal(buffers[-1], expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    loaded.call(buffers)
    np.testing.assert_array_equal(buffers[-1], expected)


def test_loader_imports_no_tvm() -> None:
    code = "import sys, heron_cli.backends.x86.loader; sys.exit('tvm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ}, check=False).returncode == 0


def test_linker_is_missing(make_scale: MakeScale, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel = make_scale(8)
    load(kernel, threads=1)  # so that the runtime is there and only the linker is missing
    tools.tool.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    try:
        with pytest.raises(InputError, match="no 'ld' on the PATH; install binutils"):
            load(kernel, threads=1)
    finally:
        tools.tool.cache_clear()


def test_garbage_object(make_scale: MakeScale) -> None:
    with pytest.raises(tools.ToolError, match="ld failed: "):
        load(replace(make_scale(8), code=b"not an object"), threads=1)
