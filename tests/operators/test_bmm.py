from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_cli.operators import registry
from heron_cli.operators.workload import make

from .definitions import operands, reference

sizes = st.integers(1, 6)


@settings(max_examples=40)
@given(sizes, sizes, sizes, sizes, st.sampled_from(["NN", "NT"]), st.integers(0, 9))
def test_reference_is_the_sum_of_products(batch: int, m: int, n: int, k: int, layout: str, seed: int) -> None:
    workload = make("bmm", {"batch": batch, "m": m, "n": n, "k": k, "layout": layout})
    arrays = operands(workload, seed)
    x, w = arrays["input"].tolist(), arrays["weight"].tolist()
    result = reference(workload, arrays)
    assert result.dtype == np.int32 and result.shape == (batch, m, n)
    for b, i, j in product(range(batch), range(m), range(n)):
        factors = (w[b][r][j] if layout == "NN" else w[b][j][r] for r in range(k))
        assert result[b, i, j] == sum(a * f for a, f in zip(x[b][i], factors, strict=True))


def test_nothing_is_constant() -> None:
    specs = registry.get("bmm").specs(make("bmm", {"batch": 2, "m": 3, "n": 4, "k": 5}))
    assert not any(spec.constant for spec in specs.values())
    assert [spec.shape for spec in specs.values()] == [(2, 3, 5), (2, 5, 4), (2, 3, 4)]


def test_counts() -> None:
    workload, operator = make("bmm", {"batch": 2, "m": 3, "n": 4, "k": 5}), registry.get("bmm")
    assert (operator.macs(workload), operator.products(workload)) == (120, 5)
    assert operator.bytes(workload) == 2 * (15 + 20 + 4 * 12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_floats(dtype: str) -> None:
    types = {"input": dtype, "weight": dtype, "accumulate": "float32", "output": dtype}
    workload = make("bmm", {"batch": 2, "m": 3, "n": 4, "k": 5}, dtypes=types)
    arrays = operands(workload)
    expected = registry.get("bmm").expected(workload, arrays)
    exact = arrays["input"].astype(np.float64) @ arrays["weight"].astype(np.float64)
    np.testing.assert_allclose(expected.values, exact, rtol=1e-6, atol=1e-7)
    assert expected.bound is not None and expected.bound.shape == exact.shape
