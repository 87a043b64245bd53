"""conv1d_transpose, conv2d_transpose and conv3d_transpose: one implementation, so one set of properties."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from heron_cli.errors import InputError
from heron_cli.operators import registry
from heron_cli.operators.phases import Phases
from heron_cli.operators.workload import Workload, make

from .definitions import LETTERS, SIZES, operands, reference, transposed

REFUSALS = ("output_padding is", "larger than the unpadded")


@st.composite
def convolutions(draw: st.DrawFn) -> Workload:
    rank = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, 2]))

    def window(low: int, high: int) -> object:
        values = draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank))
        return values if rank > 1 else values[0]

    shape: dict[str, object] = {
        "batch": draw(st.integers(1, 2)),
        **{size: draw(st.integers(1, 4)) for size in SIZES[rank]},
        "in_channels": groups * draw(st.integers(1, 2)),
        "out_channels": groups * draw(st.integers(1, 2)),
        "kernel": window(1, 4),
        "stride": window(1, 3),
        "padding": window(0, 2),
        "output_padding": window(0, 2),
        "dilation": window(1, 3),
        "layout": draw(st.sampled_from([f"N{LETTERS[rank]}C", f"NC{LETTERS[rank]}"])),
        "groups": groups,
    }
    try:
        return make(f"conv{rank}d_transpose", shape)
    except InputError as error:
        assume(not any(known in str(error) for known in REFUSALS))
        raise


@settings(max_examples=80)
@given(convolutions(), st.integers(0, 9))
def test_reference_is_the_definition(workload: Workload, seed: int) -> None:
    arrays = operands(workload, seed)
    result = reference(workload, arrays)
    assert result.shape == registry.get(workload.operator).specs(workload)["output"].shape
    assert result.dtype == np.int32 and result.flags.c_contiguous
    np.testing.assert_array_equal(result, transposed(workload, arrays))


@settings(max_examples=40)
@given(convolutions())
def test_views_hold_the_elements_of_the_operands(workload: Workload) -> None:
    operator = registry.get(workload.operator)
    specs = operator.specs(workload)
    for tensor, spec in zip(operator.compute(workload), specs.values(), strict=True):
        assert prod(int(extent) for extent in tensor.shape) == prod(spec.shape)


@settings(max_examples=300)
@given(*(st.integers(1, 6) for _ in range(4)), st.integers(0, 6), st.integers(0, 3))
def test_phases_cover_every_product_once(
    size: int, kernel: int, stride: int, dilation: int, padding: int, extra: int
) -> None:
    """Phases, steps and rows enumerate exactly the (input, tap, output) triples of the definition."""
    output = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1
    assume(output >= 1)
    p = Phases(size, output, kernel, stride, padding, dilation)
    expected = {
        (i, k, y)
        for i in range(size)
        for k in range(kernel)
        if 0 <= (y := i * stride + k * dilation - padding) < output
    }
    found = []
    for y in range(output):
        q, j, r = p.phase(y)
        assert 0 <= q < p.rows and 0 <= j < p.taps and 0 <= r < p.common
        for back in range(p.steps):
            i, k = p.row(q, back) + p.lowest, p.tap(j, back)
            if r == 0 and 0 <= k < kernel and 0 <= i < size:
                found.append((i, k, y))
    assert len(found) == len(set(found)) and set(found) == expected
    assert p.lowest == min(p.row(q, t) + p.lowest for q in range(p.rows) for t in range(p.steps))


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_without_dilation_phases_begin_with_the_image(stride: int) -> None:
    for padding in range(5):
        p = Phases(9, 12, 3, stride, padding, 1)
        assert p.y0 == 0 and p.rows == -(-12 // stride) and -stride < p.first <= 0


def test_counts() -> None:
    shape = {"width": 10, "in_channels": 8, "out_channels": 4, "kernel": 3, "stride": 2, "padding": 1}
    workload, operator = make("conv1d_transpose", shape), registry.get("conv1d_transpose")
    assert operator.specs(workload)["output"].shape == (1, 19, 4)
    assert operator.specs(workload)["weight"].shape == (8, 4, 3)
    assert operator.macs(workload) == 10 * 8 * 3 * 4
    assert operator.products(workload) == 2 * 8  # of three taps a phase sees two at most


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output_padding": 2}, r"output_padding is 2; it is below stride \(2\) or below dilation \(1\)"),
        ({"padding": 10, "kernel": 1}, "the padding is larger than the unpadded width of the output"),
        ({"groups": 3}, "groups is 3; it divides in_channels, which is 4"),
    ],
)
def test_what_pytorch_refuses_is_refused(changes: dict[str, object], message: str) -> None:
    shape = {"width": 4, "in_channels": 4, "out_channels": 6, "kernel": 3, "stride": 2}
    with pytest.raises(InputError, match=message):
        make("conv1d_transpose", {**shape, **changes})


def test_stride_one_is_a_convolution_with_the_kernel_flipped() -> None:
    shape = {"height": 5, "width": 6, "in_channels": 3, "out_channels": 2, "kernel": 3, "padding": 1}
    workload = make("conv2d_transpose", shape)
    arrays = operands(workload)
    flipped = arrays["weight"].transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    plain = reference(
        make("conv2d", shape), {"input": arrays["input"], "weight": np.ascontiguousarray(flipped)}
    )
    np.testing.assert_array_equal(reference(workload, arrays), plain)
