"""Every operator is read by the analysis alone, and its einsum means what the operator means."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from heron_cli.errors import InputError
from heron_cli.operators import registry
from heron_cli.operators.workload import Workload, make
from heron_cli.schedule.task import einsum_of

from .interpreter import evaluate
from .workloads import arrays_of

sizes = st.integers(1, 5)
REFUSALS = ("larger than the padded", "output_padding is", "larger than the unpadded")


def window(draw: st.DrawFn, rank: int, low: int, high: int) -> object:
    values = draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank))
    return values if rank > 1 else values[0]


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """A small workload of any operator."""
    operator = registry.get(draw(st.sampled_from(registry.names())))
    shape: dict[str, object] = {}
    groups = draw(st.sampled_from([1, 1, 2]))
    for parameter in operator.parameters:
        name, rank = parameter.name, max(parameter.rank, 1)
        if parameter.choices:
            shape[name] = draw(st.sampled_from(parameter.choices))
        elif name in ("kernel", "stride", "padding", "output_padding", "dilation"):
            most = {"kernel": 4, "stride": 3, "output_padding": 1}.get(name, 2)
            shape[name] = window(draw, rank, parameter.minimum, most)
        elif name == "groups":
            shape[name] = groups
        elif name.endswith("channels"):
            shape[name] = groups * draw(st.integers(1, 3))
        else:
            shape[name] = draw(sizes)
    if shape.get("form", "GENERAL") != "GENERAL":
        shape["k"] = shape["n"]
    try:
        return make(operator.name, shape)
    except InputError as error:
        assume(not any(known in str(error) for known in REFUSALS))
        raise


@settings(max_examples=120)
@given(workloads())
def test_meaning_is_that_of_the_operator(workload: Workload) -> None:
    arrays = {**arrays_of(workload), **registry.get(workload.operator).prescribed(workload)}
    expected = registry.get(workload.operator).reference(workload, arrays)
    assert (evaluate(einsum_of(workload), arrays, expected.size) == expected.ravel()).all()


GROUPS = [
    ("gemm", {"m": 2, "n": 3, "k": 4}, {"m": (2,), "n": (3,), "k": (4,)}),
    ("gemv", {"m": 3, "k": 4}, {"n": (3,), "k": (4,)}),
    ("bmm", {"batch": 5, "m": 2, "n": 3, "k": 4}, {"batch": (5,), "m": (2,), "n": (3,), "k": (4,)}),
    (
        "conv1d",
        {"batch": 2, "width": 7, "in_channels": 4, "out_channels": 6, "kernel": 3},
        {"m": (2, 5), "n": (6,), "k": (3, 4)},
    ),
    (
        "conv1d",
        {"batch": 2, "width": 7, "in_channels": 4, "out_channels": 6, "kernel": 3, "groups": 2},
        {"batch": (2,), "m": (2, 5), "n": (3,), "k": (3, 2)},
    ),
    ("scan", {"m": 2, "n": 3, "k": 4}, {"m": (2,), "n": (3,), "k": (4,)}),
    (
        "depthwise_conv2d",
        {"height": 5, "width": 6, "channels": 7, "kernel": 3},
        {"batch": (7,), "m": (1, 3, 4), "k": (3, 3)},
    ),
    (
        "conv2d_transpose",
        {"height": 5, "width": 6, "in_channels": 7, "out_channels": 4, "kernel": 3, "stride": 2},
        {"m": (1, 6, 7), "n": (2, 2, 4), "k": (2, 2, 7)},
    ),
    (
        "conv3d",
        {"depth": 4, "height": 5, "width": 6, "in_channels": 2, "out_channels": 3, "kernel": 3, "padding": 1},
        {"m": (1, 4, 5, 6), "n": (3,), "k": (3, 3, 3, 2)},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "shape", "groups"), GROUPS)
def test_groups(operator: str, shape: dict[str, object], groups: dict[str, tuple[int, ...]]) -> None:
    einsum = einsum_of(make(operator, shape))
    for group in ("batch", "m", "n", "k"):
        assert tuple(axis.extent for axis in einsum.group(group)) == groups.get(group, ())  # type: ignore[arg-type]
