from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.errors import InputError
from heron_cli.operators.parameter import Parameter, normalise_shape
from heron_cli.operators.workload import make

GEMM = {"m": 4, "n": 16, "k": 8}
CONV = {"height": 8, "width": 8, "in_channels": 4, "out_channels": 4, "kernel": 3}


@pytest.mark.parametrize(
    ("operator", "shape", "message"),
    [
        ("gemm", {"m": 4, "n": 16, "kk": 8}, "no parameter is called 'kk'; did you mean k?"),
        ("gemm", {**GEMM, "zebra": 1}, "no parameter is called 'zebra'; there are m, n, k"),
        ("conv2d", {**CONV, "strid": 1}, "no parameter is called 'strid'; did you mean stride?"),
        ("gemm", {"m": 4}, "the shape lacks n, k"),
        ("gemm", {}, "the shape lacks m, n, k"),
        ("gemm", {**GEMM, "m": -4}, "m is -4; it is at least 1"),
        ("gemm", {**GEMM, "m": 0}, "m is 0; it is at least 1"),
        ("conv2d", {**CONV, "padding": -1}, "padding is -1; it is at least 0"),
        ("conv2d", {**CONV, "stride": [1, 0]}, "stride is 0; it is at least 1"),
        ("gemm", {**GEMM, "m": True}, "m is True; it is an integer"),
        ("gemm", {**GEMM, "m": 4.0}, "m is 4.0; it is an integer"),
        ("gemm", {**GEMM, "m": "4x"}, "m is '4x'; it is an integer"),
        ("gemm", {**GEMM, "m": None}, "m is None; it is an integer"),
        ("gemm", {**GEMM, "m": [4, 4]}, "m is [4, 4]; it is one integer"),
        ("gemm", {**GEMM, "m": []}, "m is []; it is one integer"),
        ("conv2d", {**CONV, "kernel": [3, 3, 3]}, "kernel is [3, 3, 3]; it is an integer or a list of 2"),
        ("conv2d", {**CONV, "kernel": []}, "kernel is []; it is an integer or a list of 2"),
        ("gemm", {**GEMM, "m": 2**31}, "m is 2147483648; it is below 2**31"),
        ("gemm", {**GEMM, "m": 2**30}, "input has 8,589,934,592 elements; there are below 2**31"),
        ("conv2d", {**CONV, "layout": 3}, "layout is 3; it is one of NHWC, NCHW"),
    ],
)
def test_each_mistake_has_its_line(operator: str, shape: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        make(operator, shape, where="here")
    assert str(caught.value) == f"here: {message}"


@given(st.integers(1, 100), st.integers(1, 100))
def test_one_number_stands_for_the_whole_rank(a: int, b: int) -> None:
    pair = Parameter("p", "a pair", rank=2)
    assert pair.normalise(a, "") == pair.normalise([a], "") == (a, a)
    assert pair.normalise([a, b], "") == pair.normalise((a, b), "") == (a, b)


@given(st.permutations(list(CONV.items())))
def test_order_of_the_shape_does_not_matter(items: list[tuple[str, object]]) -> None:
    first, second = make("conv2d", CONV), make("conv2d", dict(items))
    assert list(first.shape.items()) == list(second.shape.items())
    assert first.key == second.key


def test_normalising_twice_changes_nothing() -> None:
    once = make("conv2d", CONV)
    assert make("conv2d", once.shape) == once


def test_a_default_may_be_given_as_well() -> None:
    shape = normalise_shape((Parameter("a", "x", default=3),), {"a": 3}, "")
    assert shape == normalise_shape((Parameter("a", "x", default=3),), {}, "") == {"a": 3}
