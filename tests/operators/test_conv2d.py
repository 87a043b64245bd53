from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from heron_cli.errors import InputError
from heron_cli.operators import registry
from heron_cli.operators.workload import Workload, make

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def convolutions(draw: st.DrawFn) -> Workload:
    shape: dict[str, object] = {
        "batch": draw(st.integers(1, 2)),
        "height": draw(st.integers(1, 6)),
        "width": draw(st.integers(1, 6)),
        "in_channels": draw(st.integers(1, 3)),
        "out_channels": draw(st.integers(1, 3)),
        "kernel": draw(pairs),
        "stride": draw(pairs),
        "padding": draw(st.tuples(st.integers(0, 4), st.integers(0, 4))),
        "dilation": draw(pairs),
        "layout": draw(st.sampled_from(["NHWC", "NCHW"])),
    }
    try:
        return make("conv2d", shape)
    except InputError as error:
        assume("larger than the padded" not in str(error))
        raise


def arrays_of(workload: Workload, seed: int) -> dict[str, NDArray[Any]]:
    specs, rng = registry.get("conv2d").specs(workload), np.random.default_rng(seed)
    return {
        "input": rng.integers(0, 255, specs["input"].shape, np.uint8, endpoint=True),
        "weight": rng.integers(-128, 127, specs["weight"].shape, np.int8, endpoint=True),
    }


def by_definition(workload: Workload, arrays: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Every output point by itself, in Python integers, from PyTorch's formula."""
    s: Any = workload.shape
    x, w = arrays["input"].astype(int), arrays["weight"].astype(int)
    if s["layout"] == "NCHW":
        x = x.transpose(0, 2, 3, 1)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = (s[n] for n in ("kernel", "stride", "padding", "dilation"))
    height, width = x.shape[1:3]
    oh = (height + 2 * ph - dh * (kh - 1) - 1) // sh + 1
    ow = (width + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    result = np.zeros((len(x), oh, ow, len(w)), int)
    for n, i, j, o in product(*map(range, result.shape)):
        for r, c in product(range(kh), range(kw)):
            row, column = i * sh + r * dh - ph, j * sw + c * dw - pw
            if 0 <= row < height and 0 <= column < width:
                result[n, i, j, o] += int(x[n, row, column] @ w[o, :, r, c])
    return result.transpose(0, 3, 1, 2) if s["layout"] == "NCHW" else result


@settings(max_examples=60, deadline=None)
@given(convolutions(), st.integers(0, 9))
def test_reference_is_the_definition(workload: Workload, seed: int) -> None:
    arrays = arrays_of(workload, seed)
    result = registry.get("conv2d").reference(workload, arrays)
    expected = by_definition(workload, arrays)
    assert result.shape == registry.get("conv2d").specs(workload)["output"].shape
    assert result.dtype == np.int32 and result.flags.c_contiguous
    np.testing.assert_array_equal(result, expected)


@settings(max_examples=30, deadline=None)
@given(convolutions())
def test_layouts_agree(workload: Workload) -> None:
    """The same convolution in the other layout gives the same numbers."""
    operator = registry.get("conv2d")
    arrays = arrays_of(workload, 1)
    first = workload.shape["layout"]
    axes = (0, 2, 3, 1) if first == "NCHW" else (0, 3, 1, 2)
    other = make("conv2d", {**workload.shape, "layout": "NHWC" if first == "NCHW" else "NCHW"})
    moved = {"input": arrays["input"].transpose(axes), "weight": arrays["weight"]}
    expected = operator.reference(workload, arrays).transpose(axes)
    np.testing.assert_array_equal(operator.reference(other, moved), expected)


def test_extremes_are_exact() -> None:
    workload = make("conv2d", {"height": 5, "width": 5, "in_channels": 64, "out_channels": 2, "kernel": 5})
    arrays = {"input": np.full((1, 5, 5, 64), 255, np.uint8), "weight": np.full((2, 64, 5, 5), -128, np.int8)}
    assert (registry.get("conv2d").reference(workload, arrays) == 25 * 64 * 255 * -128).all()


def test_counts() -> None:
    """ResNet-50's first layer: 118 million multiply-accumulates, as everybody quotes it."""
    shape = {"height": 224, "width": 224, "in_channels": 3, "out_channels": 64, "kernel": 7}
    workload, operator = make("conv2d", {**shape, "stride": 2, "padding": 3}), registry.get("conv2d")
    assert operator.specs(workload)["output"].shape == (1, 112, 112, 64)
    assert operator.macs(workload) == 118_013_952
    assert operator.flops(workload) == 2 * 118_013_952
    assert operator.bytes(workload) == 224 * 224 * 3 + 64 * 3 * 49 + 4 * 112 * 112 * 64


def test_asymmetric_padding_is_height_then_width() -> None:
    shape = {"height": 4, "width": 4, "in_channels": 4, "out_channels": 4, "kernel": 1}
    workload = make("conv2d", {**shape, "padding": [1, 3]})
    assert registry.get("conv2d").specs(workload)["output"].shape == (1, 6, 10, 4)


@pytest.mark.parametrize(
    ("changes", "axis"),
    [({"height": 2}, "height"), ({"width": 2}, "width"), ({"dilation": [1, 4]}, "width")],
)
def test_a_window_larger_than_the_image_is_refused(changes: dict[str, object], axis: str) -> None:
    shape = {"height": 8, "width": 8, "in_channels": 4, "out_channels": 4, "kernel": 3}
    with pytest.raises(InputError) as caught:
        make("conv2d", {**shape, **changes})
    assert str(caught.value).startswith("--shape: the dilated kernel")
    assert str(caught.value).endswith(f"larger than the padded {axis}")


@pytest.mark.parametrize("layout", ["nhwc", "Nchw"])
def test_layouts_are_read_in_any_case(layout: str) -> None:
    shape = {"height": 8, "width": 8, "in_channels": 4, "out_channels": 4, "kernel": 3, "layout": layout}
    assert make("conv2d", shape).shape["layout"] == layout.upper()


def test_another_layout_is_refused() -> None:
    shape = {"height": 8, "width": 8, "in_channels": 4, "out_channels": 4, "kernel": 3, "layout": "CHWN"}
    with pytest.raises(InputError, match=r"^--shape: layout is 'CHWN'; it is one of NHWC, NCHW$"):
        make("conv2d", shape)
