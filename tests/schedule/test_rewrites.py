from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_cli.accelerator.model import Accelerator
from heron_cli.operators import registry
from heron_cli.operators.workload import Workload
from heron_cli.schedule.analysis import analyse
from heron_cli.schedule.einsum import Einsum
from heron_cli.schedule.rewrites import drop_unit_axes, fuse, fuse_all, pad_axis
from heron_cli.schedule.variants import rewritings

from .interpreter import evaluate
from .workloads import arrays_of, conv, gemm, workloads


def einsum_of(workload: Workload) -> Einsum:
    return analyse("w", registry.get(workload.operator).compute(workload), frozenset({"weight"}))


def assert_same_meaning(workload: Workload, *einsums: Einsum) -> None:
    arrays = arrays_of(workload)
    expected = registry.get(workload.operator).reference(workload, arrays).ravel()
    for einsum in einsums:
        assert (evaluate(einsum, arrays, expected.size) == expected).all(), einsum.applied


@settings(max_examples=40, deadline=None)
@given(workloads(), st.sampled_from([("m",), ("batch", "m", "n"), ("k",), ("batch", "m", "n", "k")]))
def test_dropping_and_fusing_keep_the_meaning(workload: Workload, groups: tuple[str, ...]) -> None:
    einsum = einsum_of(workload)
    dropped = drop_unit_axes(einsum)
    assert_same_meaning(workload, dropped, fuse_all(einsum, groups), fuse_all(dropped, groups))


@settings(max_examples=40, deadline=None)
@given(workloads(), st.data())
def test_padding_keeps_the_meaning(workload: Workload, data: st.DataObject) -> None:
    einsum = drop_unit_axes(einsum_of(workload))
    name = data.draw(st.sampled_from([axis.name for axis in einsum.reduction]))
    multiple = data.draw(st.sampled_from([2, 4, 5]))
    longer = pad_axis(einsum, name, multiple)
    assert longer.extents[name] % multiple == 0
    assert 0 <= longer.extents[name] - einsum.extents[name] < multiple
    assert_same_meaning(workload, longer)


@settings(max_examples=30, deadline=None)
@given(workloads())
def test_every_variant_keeps_the_meaning(dlboost: Accelerator, workload: Workload) -> None:
    found = [item.einsum for item in rewritings(einsum_of(workload), dlboost) if item.einsum]
    assert found, "every such workload has a variant"
    assert_same_meaning(workload, *found)


def names(einsum: Einsum) -> list[str]:
    return [axis.name for axis in einsum.axes]


def test_unit_axes_go_and_the_intrinsic_keeps_its_own() -> None:
    assert names(drop_unit_axes(einsum_of(conv(kernel=1, padding=0)))) == ["h", "w", "o", "ci"]
    assert names(drop_unit_axes(einsum_of(conv(height=3, padding=0, batch=2)))) == [
        "n", "w", "o", "kh", "kw", "ci",
    ]  # fmt: skip
    ones = drop_unit_axes(einsum_of(gemm(1, 1, 1)))
    assert [axis.group for axis in ones.axes] == ["n", "k"]
    single = drop_unit_axes(einsum_of(conv(in_channels=1)))  # window taps cannot be filled up alone
    assert names(single) == ["h", "w", "o", "kh", "kw", "ci"]
    whole = einsum_of(conv(batch=2))
    assert drop_unit_axes(whole) is whole


def test_a_pointwise_convolution_is_a_matrix_product() -> None:
    fused = fuse_all(drop_unit_axes(einsum_of(conv(kernel=1, padding=0, batch=2))), ("m", "n"))
    assert [axis.extent for axis in fused.axes] == [2 * 6 * 7, 5, 4]
    assert [axis.group for axis in fused.axes] == ["m", "n", "k"]
    assert fused.axes[0].parts == tuple(
        part for axis in einsum_of(conv(kernel=1, padding=0, batch=2)).group("m") for part in axis.parts
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"padding": 1}, "rows end in padding"),
        ({"padding": 0}, "rows overlap by the window"),
        ({"kernel": 1, "padding": 0, "stride": [1, 2]}, "columns are skipped at the row's end"),
        ({"kernel": 1, "padding": 0, "stride": [2, 1]}, "rows are skipped"),
    ],
)
def test_rows_that_are_not_contiguous_are_not_fused(changes: dict[str, object], why: str) -> None:
    einsum = einsum_of(conv(**changes))
    assert fuse(einsum, "h", "w") is None, why
    assert fuse(einsum, "w", "h") is None, why


def test_axes_with_another_dimension_between_them_are_not_fused() -> None:
    """Channels lie between images and rows."""
    workload = conv(batch=2, kernel=1, padding=0, layout="NCHW")
    einsum = einsum_of(workload)
    assert fuse(einsum, "n", "h") is None
    fused = fuse_all(drop_unit_axes(einsum), ("m",))
    assert [axis.name for axis in fused.group("m")] == ["n", "h_w"]
    assert_same_meaning(workload, fused)


def test_axes_of_different_groups_are_not_fused() -> None:
    einsum = einsum_of(gemm(4, 4, 4))
    first, second, third = names(einsum)
    assert fuse(einsum, first, second) is None and fuse(einsum, second, third) is None


def test_taps_and_channels_fuse_where_they_lie_together() -> None:
    assert names(fuse_all(einsum_of(conv()), ("k",)))[-2:] == ["kh", "kw_ci"]
    assert names(fuse_all(einsum_of(conv(layout="NCHW")), ("k",)))[-3:] == ["kh", "kw", "ci"]
    assert names(fuse_all(einsum_of(conv(dilation=2)), ("k",)))[-3:] == ["kh", "kw", "ci"]


def test_padding_nothing_is_nothing() -> None:
    einsum = einsum_of(gemm(4, 4, 8))
    assert pad_axis(einsum, einsum.reduction[0].name, 4) is einsum


def test_rewrites_are_remembered() -> None:
    einsum = fuse_all(drop_unit_axes(einsum_of(conv(kernel=1, padding=0))), ("m",))
    assert einsum.applied == ("drop unit axes", "fuse h and w")
