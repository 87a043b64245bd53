from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from benchmarks.buffers import poison
from benchmarks.cases import GEMM, Case
from benchmarks.native import BenchmarkError
from benchmarks.onednn import BFLOAT16, UNRESTRICTED, Primitive, random_arrays, wheels
from benchmarks.reference import reference


def usable() -> bool:
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    try:
        wheels.find()
    except BenchmarkError:
        return False
    return "avx512_vnni" in flags


needs_onednn = pytest.mark.skipif(not usable(), reason="needs the oneDNN wheels and AVX-512 VNNI")
CONV = {"batch": 1, "in_channels": 8, "out_channels": 16, "kernel": 3, "padding": 1}
CASES = (
    Case("gemm", "gemm", {"m": 17, "n": 33, "k": 21}, GEMM),
    Case("bmm", "bmm", {"batch": 2, "m": 5, "n": 7, "k": 11}, GEMM),
    Case("1d", "conv1d", {**CONV, "width": 8, "dilation": 2, "padding": [(0, 2)]}, GEMM),
    Case("2d", "conv2d", {**CONV, "height": 7, "width": 8, "stride": 2}, GEMM),
    Case("first", "conv2d", {**CONV, "height": 7, "width": 8, "layout": "NCHW"}, GEMM),
    Case("groups", "conv2d", {**CONV, "height": 7, "width": 8, "groups": 2, "dilation": 2}, GEMM),
    Case("3d", "conv3d", {**CONV, "depth": 4, "height": 5, "width": 6}, GEMM),
    Case("transposed", "conv2d_transpose", {**CONV, "height": 5, "width": 6, "stride": 2}, GEMM),
    Case("gemm of bf16", "gemm", {"m": 17, "n": 33, "k": 21}, GEMM, BFLOAT16),
    Case("2d of bf16", "conv2d", {**CONV, "height": 7, "width": 8, "stride": 2}, GEMM, BFLOAT16),
)


@pytest.mark.vnni
@needs_onednn
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_results_are_exact_and_in_the_users_layout(case: Case) -> None:
    arrays = random_arrays(case)
    primitive = Primitive(case, arrays)
    poison(primitive.output)
    np.testing.assert_array_equal(primitive.run(), reference(primitive.problem, arrays))
    assert "amx" not in primitive.implementation


@pytest.mark.vnni
@needs_onednn
def test_an_input_changed_in_place_is_seen() -> None:
    arrays = random_arrays(CASES[0])
    primitive = Primitive(CASES[0], arrays)
    arrays["input"][...] = 0
    assert not primitive.run().any()


@pytest.mark.vnni
@needs_onednn
def test_arrays_that_do_not_fit_are_refused() -> None:
    arrays = random_arrays(CASES[0])
    with pytest.raises(BenchmarkError, match=r"input must be a contiguous uint8\[17, 21\]"):
        Primitive(CASES[0], {**arrays, "input": arrays["input"].astype(np.int8)})
    with pytest.raises(BenchmarkError, match="weight must be"):
        Primitive(CASES[0], {**arrays, "weight": arrays["weight"].T})


@pytest.mark.vnni
@needs_onednn
def test_a_process_has_one_instruction_set() -> None:
    arrays = random_arrays(CASES[0])
    Primitive(CASES[0], arrays)
    with pytest.raises(BenchmarkError, match="already runs with avx512_core_vnni"):
        Primitive(CASES[0], arrays, isa=UNRESTRICTED)


@pytest.mark.parametrize("missing", [wheels.RUNTIME, wheels.DEVELOPMENT])
def test_missing_wheels_are_named(missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Wheel:
        def __init__(self) -> None:
            self.files: list[metadata.PackagePath] = []
            for ending in ("include/oneapi/dnnl/dnnl.hpp", "lib/libdnnl.so"):
                path = tmp_path / ending
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                file = metadata.PackagePath(ending)
                file.dist = self  # type: ignore[attr-defined]
                self.files.append(file)

        def locate_file(self, path: object) -> Path:
            return tmp_path / str(path)

    def distribution(name: str) -> Wheel:
        if name == missing:
            raise metadata.PackageNotFoundError(name)
        return Wheel()

    monkeypatch.delenv(wheels.ROOT, raising=False)
    monkeypatch.setattr(metadata, "distribution", distribution)
    with pytest.raises(BenchmarkError, match=f"the wheel {missing} is not installed: pip install"):
        wheels.find()


def test_a_build_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(wheels.ROOT, str(tmp_path))
    with pytest.raises(BenchmarkError, match=f"{tmp_path}: no include/oneapi/dnnl/dnnl_version.h"):
        wheels.find()
    header = tmp_path / "include/oneapi/dnnl/dnnl_version.h"
    header.parent.mkdir(parents=True)
    numbers = {"MAJOR": 3, "MINOR": 13, "PATCH": 1}
    header.write_text("".join(f"#define DNNL_VERSION_{name} {number}\n" for name, number in numbers.items()))
    (tmp_path / "lib64").mkdir()
    (tmp_path / "lib64" / "libdnnl.so").touch()
    found = wheels.find()
    assert (found.include, found.library) == (tmp_path / "include", tmp_path / "lib64")
    assert found.version == "3.13.1 built from source"
