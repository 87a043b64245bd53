from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from heron_cli.errors import InputError
from heron_cli.library import load
from heron_cli.library.loader import HostLibrary, LibraryError, aligned_empty
from heron_cli.operators import registry
from heron_cli.operators.workload import make

CONV = {"height": 9, "width": 7, "in_channels": 3, "out_channels": 5, "kernel": (3, 3)}
GEMM = {"m": 17, "n": 33, "k": 21}


@pytest.fixture(scope="module")
def loaded(library: Path) -> HostLibrary:
    return load(library)


def arrays(operator: str, shape: dict[str, object]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random input and weight over the whole range of their types, and the exact result."""
    workload = make(operator, shape)
    rng = np.random.default_rng(7)
    made = {}
    for name, spec in registry.get(operator).specs(workload).items():
        limits = np.iinfo(spec.dtype)
        made[name] = rng.integers(limits.min, limits.max, spec.shape, spec.dtype, endpoint=True)
    expected = registry.get(operator).reference(workload, {k: made[k] for k in ("input", "weight")})
    return made["input"], made["weight"], expected


class Foreign:
    """An array of another library, known by DLPack only."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __dlpack__(self, **options: object) -> object:
        return self._array.__dlpack__(**options)  # type: ignore[arg-type]

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()


@pytest.mark.parametrize(("operator", "shape"), [("gemm", GEMM), ("conv2d", CONV)])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_exact(loaded: HostLibrary, operator: str, shape: dict[str, object], threads: int) -> None:
    kernel = loaded.find(operator, **shape)
    data, weight, expected = arrays(operator, shape)
    loaded.set_num_threads(threads)
    assert loaded.get_num_threads() == threads
    np.testing.assert_array_equal(kernel(data, weight), expected)
    out = aligned_empty(expected.shape, "int32")
    assert kernel(Foreign(data), kernel.pack(Foreign(weight)), out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_operands_at_odd_places(loaded: HostLibrary) -> None:
    kernel = loaded.find("gemm", **GEMM)
    data, weight, expected = arrays("gemm", GEMM)
    raw = np.empty(data.size + 1, np.uint8)
    raw[1:] = data.ravel()
    np.testing.assert_array_equal(kernel(raw[1:].reshape(data.shape), weight[::-1][::-1]), expected)
    np.testing.assert_array_equal(kernel(np.asfortranarray(data), np.asfortranarray(weight)), expected)


def test_packing_is_remembered_for_immutable_weights_only(loaded: HostLibrary) -> None:
    kernel = loaded.find("gemm", **GEMM)
    data, weight, expected = arrays("gemm", GEMM)
    assert kernel.pack(weight) is not kernel.pack(weight)
    view = weight[:]
    view.flags.writeable = False
    assert kernel.pack(view) is not kernel.pack(view)  # its base can still be written
    weight.flags.writeable = False
    packed = kernel.pack(weight)
    assert kernel.pack(weight) is packed
    np.testing.assert_array_equal(kernel(data, weight), expected)
    held = len(kernel._cache)
    del weight, view
    assert len(kernel._cache) == held - 1


def test_find(loaded: HostLibrary) -> None:
    assert len(loaded.kernels) == 6
    assert loaded.version == "1.2.3"
    assert loaded.find("conv2d").shape["layout"] == "NHWC"  # the only one
    assert loaded.find("gemm", k=7).workload == "gemm[m=4,n=5,k=7]:u8s8s32"
    assert loaded.find("gemm", {"input": "uint8"}, k=7).shape == {"m": 4, "n": 5, "k": 7}
    with pytest.raises(LibraryError, match=r"nearest: gemm\[m=4,n=5,k=7\].*; gemm\[m=4,n=5,k=6\]"):
        loaded.find("gemm", m=4, n=5, k=9)
    with pytest.raises(LibraryError, match="no kernel of gemm"):
        loaded.find("gemm", {"input": "float16"}, k=7)
    with pytest.raises(LibraryError, match="2 kernels of gemm match; say more of m, n, k"):
        loaded.find("gemm", m=4, n=5)
    with pytest.raises(LibraryError, match="no kernel of 'scan'; the library holds conv2d, gemm"):
        loaded.find("scan")
    with pytest.raises(LibraryError, match="gemm has no parameter 'q'; it has m, n, k"):
        loaded.find("gemm", q=1)


def test_bad_operands(loaded: HostLibrary) -> None:
    kernel = loaded.find("gemm", **GEMM)
    data, weight, _ = arrays("gemm", GEMM)
    packed = kernel.pack(weight)
    with pytest.raises(LibraryError, match=r"'input' is uint8 \(21, 17\); the kernel takes uint8 \(17, 21\)"):
        kernel(data.T, packed)
    with pytest.raises(LibraryError, match=r"'input' is int32 \(17, 21\); the kernel takes uint8"):
        kernel(data.astype(np.int32), packed)
    with pytest.raises(LibraryError, match=r"'weight' is int8 \(21, 33\); the kernel takes int8 \(33, 21\)"):
        kernel(data, weight.T)
    with pytest.raises(LibraryError, match=r"takes 2 operands \(input, weight\), got 1"):
        kernel(data)
    with pytest.raises(LibraryError, match="'input' must be an array, not list"):
        kernel([1, 2], packed)
    with pytest.raises(LibraryError, match="'output' must be writable, C-contiguous and 64-byte aligned"):
        kernel(data, packed, out=aligned_empty((17 * 33 + 1,), "int32")[1:].reshape(17, 33))
    with pytest.raises(LibraryError, match=r"'output' is int32 \(33, 17\)"):
        kernel(data, packed, out=aligned_empty((33, 17), "int32"))
    with pytest.raises(LibraryError, match=r"was packed for gemm\[m=17.* not for gemm\[m=4,n=5,k=6\]"):
        loaded.find("gemm", k=6)(aligned_empty((4, 6), "uint8"), packed)
    with pytest.raises(LibraryError, match="out of range"):
        loaded.set_num_threads(-1)


def test_kernel_that_this_cpu_cannot_run(loaded: HostLibrary) -> None:
    kernel = loaded.find("gemm", k=4)
    with pytest.raises(LibraryError, match=f"lacks a feature that the kernel needs: {kernel.requires[0]}"):
        kernel(aligned_empty((1, 4), "uint8"), aligned_empty((1, 4), "int8"))


def test_kernel_that_fails(loaded: HostLibrary) -> None:
    kernel = loaded.find("gemm", k=8)
    with pytest.raises(LibraryError, match="the kernel failed: this kernel always fails"):
        kernel(aligned_empty((1, 8), "uint8"), np.zeros((1, 8), np.int8))


def test_many_python_threads(loaded: HostLibrary) -> None:
    kernel = loaded.find("gemm", **GEMM)
    data, weight, expected = arrays("gemm", GEMM)
    packed, wrong = kernel.pack(weight), []
    loaded.set_num_threads(2)

    def work() -> None:
        for _ in range(100):
            if not np.array_equal(kernel(data, packed), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.fixture
def copied(library: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(library, tmp_path / "copy"))


def test_damaged_libraries(copied: Path) -> None:
    shared, manifest = copied / "lib/libheron_kernels.so", copied / "manifest.json"
    good = shared.read_bytes()
    shared.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(InputError, match=r"libheron_kernels.so is not the file that was exported \(sha-256"):
        load(copied)
    shared.unlink()
    with pytest.raises(InputError, match=r"libheron_kernels.so: No such file or directory"):
        load(copied)
    manifest.write_text("{")
    with pytest.raises(InputError, match=r"manifest.json is damaged: Expecting property name"):
        load(copied)
    manifest.write_text('{"schema": "heron/library/2"}')
    with pytest.raises(InputError, match="has schema 'heron/library/2'; this loader reads 'heron/library/1'"):
        load(copied)
    manifest.unlink()
    with pytest.raises(InputError, match=r"no exported library: manifest.json: No such file"):
        load(copied)


def test_other_build_at_the_same_place(copied: Path) -> None:
    load(copied)  # stays loaded: the system gives it back for the same path
    manifest = copied / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "build_id": "0" * 32}))
    with pytest.raises(InputError, match="this process has loaded what was there before; start a new one"):
        load(copied)


def test_copy_in_the_library_needs_numpy_only(library: Path) -> None:
    code = """
import sys, numpy as np
sys.path.insert(0, sys.argv[1] + "/python")
sys.modules["heron_cli"] = None
import heron_kernels
library = heron_kernels.load(sys.argv[1])
kernel = library.find("gemm", m=4, n=5, k=6)
a, b = np.arange(24, dtype=np.uint8).reshape(4, 6), np.arange(30, dtype=np.int8).reshape(5, 6)
assert (kernel(a, kernel.pack(b)) == a.astype(np.int32) @ b.T.astype(np.int32)).all()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, library], capture_output=True, text=True, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr


def test_no_kernel_can_run_here(library: Path, tmp_path: Path, items: list[object]) -> None:
    from heron_cli.backends.x86.toolchain import toolchain
    from heron_cli.library.export import export

    unfit = [item for item in items if item.requires]  # type: ignore[attr-defined]
    absent = unfit[0].requires[0]  # type: ignore[attr-defined]
    done = export(unfit, tmp_path / "out", toolchain)  # type: ignore[arg-type]
    assert done.unchecked == ("gemm[m=1,n=1,k=4]:u8s8s32",)
    with pytest.raises(InputError, match=f"no kernel can run on this machine: it lacks {absent}"):
        load(tmp_path / "out")
