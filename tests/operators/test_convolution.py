"""conv1d, conv2d and conv3d: one implementation, so one set of properties."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from heron_cli.errors import InputError
from heron_cli.operators import registry
from heron_cli.operators.workload import Workload, make

from .definitions import LETTERS, SIZES, convolution, operands, reference


@st.composite
def convolutions(draw: st.DrawFn) -> Workload:
    rank = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, 2, 3]))

    def window(low: int, high: int) -> object:
        values = draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank))
        return values if rank > 1 else values[0]

    shape: dict[str, object] = {
        "batch": draw(st.integers(1, 2)),
        **{size: draw(st.integers(1, 5)) for size in SIZES[rank]},
        "in_channels": groups * draw(st.integers(1, 3)),
        "out_channels": groups * draw(st.integers(1, 3)),
        "kernel": window(1, 3),
        "stride": window(1, 3),
        "padding": window(0, 3),
        "dilation": window(1, 2),
        "layout": draw(st.sampled_from([f"N{LETTERS[rank]}C", f"NC{LETTERS[rank]}"])),
        "groups": groups,
    }
    try:
        return make(f"conv{rank}d", shape)
    except InputError as error:
        assume("larger than the padded" not in str(error))
        raise


@settings(max_examples=80)
@given(convolutions(), st.integers(0, 9))
def test_reference_is_the_definition(workload: Workload, seed: int) -> None:
    arrays = operands(workload, seed)
    result = reference(workload, arrays)
    assert result.shape == registry.get(workload.operator).specs(workload)["output"].shape
    assert result.dtype == np.int32 and result.flags.c_contiguous
    np.testing.assert_array_equal(result, convolution(workload, arrays))


@settings(max_examples=40)
@given(convolutions())
def test_views_hold_the_elements_of_the_operands(workload: Workload) -> None:
    operator = registry.get(workload.operator)
    specs = operator.specs(workload)
    for tensor, spec in zip(operator.compute(workload), specs.values(), strict=True):
        assert str(tensor.dtype) == spec.dtype
        assert prod(int(extent) for extent in tensor.shape) == prod(spec.shape)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_counts(groups: int) -> None:
    shape = {"width": 10, "in_channels": 8, "out_channels": 4, "kernel": 3, "padding": 1, "groups": groups}
    workload, operator = make("conv1d", shape), registry.get("conv1d")
    assert operator.macs(workload) == 10 * 4 * 3 * 8 // groups
    assert operator.products(workload) == 3 * 8 // groups
    assert operator.bytes(workload) == 10 * 8 + 4 * 8 // groups * 3 + 4 * 10 * 4


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ((6, 4), "groups is 4; it divides in_channels, which is 6"),
        ((4, 6), "groups is 4; it divides out_channels"),
    ],
)
def test_groups_that_do_not_divide_are_refused(channels: tuple[int, int], message: str) -> None:
    shape = {"width": 4, "in_channels": channels[0], "out_channels": channels[1], "kernel": 1, "groups": 4}
    with pytest.raises(InputError, match=message):
        make("conv1d", shape)


def test_one_group_leaves_the_key_as_it_was_before_there_were_groups() -> None:
    shape = {"height": 4, "width": 4, "in_channels": 4, "out_channels": 4, "kernel": 1}
    assert make("conv2d", {**shape, "groups": 1}).key == make("conv2d", shape).key
    assert "groups" not in make("conv2d", shape).key
    assert "groups=2" in make("conv2d", {**shape, "groups": 2}).key


def test_a_window_larger_than_the_volume_is_refused_with_its_size() -> None:
    shape = {"depth": 2, "height": 4, "width": 4, "in_channels": 1, "out_channels": 1, "kernel": 3}
    with pytest.raises(InputError, match="the dilated kernel is larger than the padded depth"):
        make("conv3d", shape)


@pytest.mark.parametrize(("rank", "layout"), [(1, "NWC"), (2, "NHWC"), (3, "NDHWC")])
def test_channels_trail_unless_said(rank: int, layout: str) -> None:
    sizes = dict.fromkeys(SIZES[rank], 4)
    workload = make(f"conv{rank}d", {**sizes, "in_channels": 2, "out_channels": 3, "kernel": 1})
    assert workload.shape["layout"] == layout
    assert registry.get(f"conv{rank}d").specs(workload)["output"].shape[-1] == 3
