from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_cli.errors import InputError
from heron_cli.operators import registry
from heron_cli.operators.workload import make

from .definitions import operands, reference


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(1, 12), st.sampled_from(["INCLUSIVE", "EXCLUSIVE"]), st.integers(0, 9))
def test_prefix_sums(m: int, n: int, form: str, seed: int) -> None:
    workload = make("scan", {"m": m, "n": n, "k": n, "form": form})
    arrays = operands(workload, seed)
    result = reference(workload, arrays)
    assert result.dtype == np.int32
    for row, sums in zip(arrays["input"].tolist(), result.tolist(), strict=True):
        inclusive = list(accumulate(row))
        assert sums == (inclusive if form == "INCLUSIVE" else [0, *inclusive[:-1]])
    general = make("scan", {"m": m, "n": n, "k": n})
    assert (reference(general, arrays) == result).all()  # the triangle is the product's other side


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6))
def test_the_general_form_is_a_product(m: int, n: int, k: int) -> None:
    workload = make("scan", {"m": m, "n": n, "k": k})
    arrays = operands(workload)
    expected = arrays["input"].astype(int) @ arrays["weight"].astype(int)
    assert (reference(workload, arrays) == expected).all()
    assert registry.get("scan").macs(workload) == m * n * k
    assert registry.get("scan").prescribed(workload) == {}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_prefix_sums_of_floats(dtype: str) -> None:
    types = {"input": dtype, "weight": dtype, "accumulate": "float32", "output": "float32"}
    workload = make("scan", {"m": 3, "n": 50, "k": 50, "form": "INCLUSIVE"}, dtypes=types)
    arrays = operands(workload)
    expected = registry.get("scan").expected(workload, arrays)
    np.testing.assert_allclose(expected.values, np.cumsum(arrays["input"].astype(np.float64), axis=1))
    assert expected.bound is not None


def test_prefix_sums_are_square() -> None:
    with pytest.raises(InputError, match="k is 4; an exclusive scan has k = n, which is 5"):
        make("scan", {"m": 3, "n": 5, "k": 4, "form": "exclusive"})
