from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_cli.operators import registry
from heron_cli.operators.workload import make

from .definitions import operands, reference


@settings(max_examples=30)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 9))
def test_reference_is_the_sum_of_products(m: int, k: int, seed: int) -> None:
    workload = make("gemv", {"m": m, "k": k})
    arrays = operands(workload, seed)
    x, w = arrays["input"].tolist(), arrays["weight"].tolist()
    expected = [sum(a * b for a, b in zip(row, x, strict=True)) for row in w]
    result = reference(workload, arrays)
    assert result.tolist() == expected and result.dtype == np.int32


def test_operands_and_counts() -> None:
    workload, operator = make("gemv", {"m": 5, "k": 7}), registry.get("gemv")
    specs = operator.specs(workload)
    assert {name: (spec.shape, spec.constant) for name, spec in specs.items()} == {
        "input": ((7,), False),
        "weight": ((5, 7), True),
        "output": ((5,), False),
    }
    assert (operator.macs(workload), operator.products(workload)) == (35, 7)
    assert operator.bytes(workload) == 7 + 35 + 20


def test_it_is_a_gemm_of_one_row() -> None:
    workload = make("gemv", {"m": 6, "k": 9})
    arrays = operands(workload)
    row = {**arrays, "input": arrays["input"][None]}
    assert (reference(make("gemm", {"m": 1, "n": 6, "k": 9}), row)[0] == reference(workload, arrays)).all()
