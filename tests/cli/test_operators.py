from __future__ import annotations

import json

from .conftest import Heron, complaint


def test_list(heron: Heron) -> None:
    found = json.loads(heron("operators", "--json").stdout)
    assert {"gemm", "conv2d"} <= {each["name"] for each in found}
    assert "gemm" in heron("operators").stdout


def test_one_operator(heron: Heron) -> None:
    found = json.loads(heron("operators", "conv2d", "--json").stdout)
    parameters = {each["name"]: each for each in found["parameters"]}
    assert parameters["in_channels"]["required"]
    assert not parameters["stride"]["required"]
    assert parameters["layout"]["choices"] == ["NHWC", "NCHW"]
    text = heron("operators", "conv2d").stdout
    assert "NHWC | NCHW" in text


def test_an_unknown_operator_names_a_near_one(heron: Heron) -> None:
    assert "did you mean gemm or gemv?" in complaint(heron("operators", "gem"))
