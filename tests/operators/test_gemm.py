from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from heron_cli.operators import registry
from heron_cli.operators.workload import DTypes, Workload, make

sizes = st.integers(1, 9)


def gemm(m: int, n: int, k: int, **dtypes: str) -> Workload:
    return make("gemm", {"m": m, "n": n, "k": k}, dtypes=dtypes)


def operands(workload: Workload, seed: int = 0) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, spec in registry.get(workload.operator).specs(workload).items():
        if name != "output":
            limits = np.iinfo(spec.dtype)
            arrays[name] = rng.integers(limits.min, limits.max, spec.shape, spec.dtype, endpoint=True)
    return arrays


@settings(max_examples=30, deadline=None)
@given(sizes, sizes, sizes, st.integers(0, 9))
def test_reference_is_the_sum_of_products(m: int, n: int, k: int, seed: int) -> None:
    workload = gemm(m, n, k)
    arrays = operands(workload, seed)
    result = registry.get("gemm").reference(workload, arrays)
    assert result.shape == (m, n) and result.dtype == np.int32
    for i in range(m):
        for j in range(n):
            products = [int(arrays["input"][i, x]) * int(arrays["weight"][j, x]) for x in range(k)]
            assert result[i, j] == sum(products)


def test_extremes_are_exact() -> None:
    workload = gemm(3, 5, 4096)
    arrays = {"input": np.full((3, 4096), 255, np.uint8), "weight": np.full((5, 4096), -128, np.int8)}
    result = registry.get("gemm").reference(workload, arrays)
    assert (result == 4096 * 255 * -128).all()


def test_sums_wrap_as_the_hardware_does() -> None:
    workload = gemm(1, 1, 70_000)  # 70,000 · 255 · 127 exceeds 2**31
    arrays = {"input": np.full((1, 70_000), 255, np.uint8), "weight": np.full((1, 70_000), 127, np.int8)}
    exact = 70_000 * 255 * 127
    result = registry.get("gemm").reference(workload, arrays)
    assert result[0, 0] == exact - 2**32


def test_a_float_reference_is_not_rounded_to_the_output() -> None:
    workload = gemm(1, 1, 2, input="float16", weight="float16", accumulate="float32", output="float16")
    arrays = {"input": np.array([[2048, 1]], np.float16), "weight": np.array([[1, 1]], np.float16)}
    result = registry.get("gemm").reference(workload, arrays)
    assert result.dtype == np.float32 and result[0, 0] == 2049  # rounding is the kernel's


def test_counts() -> None:
    workload, operator = gemm(3, 5, 7), registry.get("gemm")
    assert operator.macs(workload) == 105
    assert operator.flops(workload) == 210
    assert operator.bytes(workload) == 3 * 7 + 5 * 7 + 4 * 3 * 5
    assert workload.dtypes == DTypes()


def test_operands_in_call_order() -> None:
    specs = registry.get("gemm").specs(gemm(3, 5, 7))
    assert [(name, spec.shape, spec.constant) for name, spec in specs.items()] == [
        ("input", (3, 7), False),
        ("weight", (5, 7), True),
        ("output", (3, 5), False),
    ]


@pytest.mark.parametrize("k", [1, 4095])
def test_longest_exact_sum_is_known(k: int) -> None:
    workload = gemm(1, 1, k)
    arrays = operands(workload)
    wide = arrays["input"].astype(np.int64) @ arrays["weight"].astype(np.int64).T
    assert registry.get("gemm").reference(workload, arrays)[0, 0] == wide[0, 0]
