"""The bound of float results: what rounding may do passes, a product that is missing does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from heron_cli.backends.base import Operand
from heron_cli.elements import numpy_type
from heron_cli.measure.inputs import random_operands
from heron_cli.measure.verify import compare
from heron_cli.operators import registry
from heron_cli.operators.epilogue import parse
from heron_cli.operators.expected import Expected
from heron_cli.operators.workload import Workload, make

TYPES = [("float16", "float16"), ("float16", "float32"), ("bfloat16", "bfloat16"), ("bfloat16", "float32")]


def workload(k: int, dtype: str, output: str, epilogue: str = "") -> Workload:
    types = {"input": dtype, "weight": dtype, "accumulate": "float32", "output": output}
    return make("gemm", {"m": 16, "n": 16, "k": k}, dtypes=types, epilogue=parse(epilogue))


def arrays_of(workload: Workload, seed: int) -> dict[str, NDArray[Any]]:
    specs = registry.get(workload.operator).specs(workload)
    return random_operands([Operand(n, s.shape, s.dtype) for n, s in specs.items()], seed)


def expected_of(workload: Workload, arrays: dict[str, NDArray[Any]]) -> Expected:
    return registry.get(workload.operator).expected(workload, arrays)


def in_single(arrays: dict[str, NDArray[Any]], order: NDArray[np.int64], chunk: int) -> NDArray[Any]:
    """The products added one by one in float32, in any order, in chunks as matrix units do."""
    a, b = (arrays[name].astype(np.float32)[:, order] for name in ("input", "weight"))
    total = np.zeros((len(a), len(b)), np.float32)
    for begin in range(0, a.shape[1], chunk):
        partial = np.zeros_like(total)
        for k in range(begin, min(begin + chunk, a.shape[1])):
            partial += np.outer(a[:, k], b[:, k])
        total += partial
    return total


@settings(max_examples=20)
@given(st.sampled_from(TYPES), st.sampled_from([1, 7, 64, 500]), st.integers(0, 99), st.sampled_from([1, 16]))
def test_any_order_of_summation_is_right(types: tuple[str, str], k: int, seed: int, chunk: int) -> None:
    problem = workload(k, *types)
    arrays = arrays_of(problem, seed)
    order = np.random.default_rng(seed).permutation(k)
    output = in_single(arrays, order, chunk).astype(numpy_type(types[1]))
    assert compare(output, expected_of(problem, arrays)) == ""


@pytest.mark.parametrize("k", [16, 512, 4096])
def test_a_missing_product_is_found(k: int) -> None:
    problem = workload(k, "float16", "float32")
    arrays = arrays_of(problem, 0)
    expected = expected_of(problem, arrays)
    lost = np.outer(arrays["input"][:, 0].astype(float), arrays["weight"][:, 0].astype(float))
    output = (expected.values - lost).astype(np.float32)
    assert "elements are wrong" in compare(output, expected)
    assert (np.abs(lost) > 1.0 * expected.bound).mean() > 0.7  # type: ignore[operator]


def test_half_precision_sums_are_told_from_single_ones() -> None:
    """A kernel that accumulates in float16 where float32 was asked for is wrong."""
    problem = workload(512, "float16", "float32")
    arrays = arrays_of(problem, 0)
    total = np.zeros((16, 16), np.float16)
    for k in range(512):
        total += np.outer(arrays["input"][:, k], arrays["weight"][:, k])
    assert "elements are wrong" in compare(total.astype(np.float32), expected_of(problem, arrays))


@pytest.mark.parametrize(("dtype", "output"), TYPES)
def test_epilogues_of_floats(dtype: str, output: str) -> None:
    problem = workload(64, dtype, output, "bias=1,residual=1,low=0")
    arrays = arrays_of(problem, 3)
    a, b, bias, residual = (arrays[n].astype(np.float64) for n in ("input", "weight", "bias", "residual"))
    expected = expected_of(problem, arrays)
    np.testing.assert_allclose(
        expected.values, np.maximum(a @ b.T + bias + residual, 0), rtol=1e-6, atol=1e-6
    )
    sums = in_single(arrays, np.arange(64), 1) + bias.astype(np.float32) + residual.astype(np.float32)
    assert compare(np.maximum(sums, 0).astype(numpy_type(output)), expected) == ""


def test_integers_are_exact() -> None:
    problem = make("gemm", {"m": 2, "n": 3, "k": 4})
    assert expected_of(problem, arrays_of(problem, 0)).bound is None


def test_integer_sums_as_floats_differ_by_one_rounding() -> None:
    problem = make("gemm", {"m": 8, "n": 8, "k": 4096}, dtypes={"output": "float32"})
    arrays = {"input": np.full((8, 4096), 255, np.uint8), "weight": np.full((8, 4096), 101, np.int8)}
    arrays["input"][:, 0] = np.arange(8)
    expected = expected_of(problem, arrays)
    assert (np.abs(expected.values) > 1 << 24).any()
    assert compare(expected.values.astype(np.float32), expected) == ""
    assert compare(np.nextafter(expected.values.astype(np.float32), np.inf), expected) != ""
