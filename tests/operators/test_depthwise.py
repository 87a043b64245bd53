from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_cli.accelerator.loader import load
from heron_cli.errors import InputError
from heron_cli.operators import registry
from heron_cli.operators.workload import make
from heron_cli.schedule.task import Task

from .definitions import convolution, operands, reference

SHAPE = {"height": 5, "width": 6, "channels": 4, "kernel": 3, "padding": 1}


@settings(max_examples=20)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.sampled_from(["NHWC", "NCHW"]))
def test_it_is_a_convolution_of_groups(channels: int, multiplier: int, stride: int, layout: str) -> None:
    changes = {"channels": channels, "multiplier": multiplier, "stride": stride, "layout": layout}
    workload = make("depthwise_conv2d", {**SHAPE, **changes})
    arrays = operands(workload)
    shape = {name: value for name, value in workload.shape.items() if name not in ("channels", "multiplier")}
    same = make(
        "conv2d",
        {**shape, "in_channels": channels, "out_channels": channels * multiplier, "groups": channels},
    )
    expected = convolution(same, arrays)
    np.testing.assert_array_equal(reference(workload, arrays), expected)
    assert registry.get("depthwise_conv2d").products(workload) == 9
    assert registry.get("depthwise_conv2d").macs(workload) == expected.size * 9


def test_a_window_larger_than_the_image_is_refused() -> None:
    with pytest.raises(InputError, match="the dilated kernel is larger than the padded height"):
        make("depthwise_conv2d", {**SHAPE, "kernel": 8})


HALVES = {"input": "float16", "weight": "float16", "accumulate": "float32", "output": "float32"}


@pytest.mark.parametrize(("target", "dtypes"), [("tensorcore-sm80", HALVES), ("vta", {"input": "int8"})])
def test_matrix_units_refuse_it_in_one_line(target: str, dtypes: dict[str, str]) -> None:
    workload = make("depthwise_conv2d", SHAPE)
    workload = replace(workload, dtypes=replace(workload.dtypes, **dtypes))
    with pytest.raises(InputError) as caught:
        _ = Task(workload, load(target)).variants
    assert "no n-like axis" in str(caught.value) and "\n" not in str(caught.value)
