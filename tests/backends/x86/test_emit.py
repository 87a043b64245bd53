"""Generated kernels against the numpy references: exact to the last element, next to guard pages."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from heron_cli.backends.x86.stage import InputStage
from heron_cli.errors import InputError
from heron_cli.operators import registry
from heron_cli.operators.epilogue import resolve
from heron_cli.operators.workload import Workload, make
from heron_cli.schedule.nest import SKIP
from heron_cli.schedule.task import Task
from heron_cli.schedule.template import PACKED

from .emulated import accelerator
from .generated import Apart, draw, job, job_of

pytestmark = pytest.mark.usefixtures("runnable")

relaxed = settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
seeds = st.integers(0, 1 << 16)
threads = st.sampled_from([1, 2])
REFUSALS = ("larger than the padded", "output_padding is", "larger than the unpadded")
# primes, one below and above the intrinsic's 16 and 4, and what divides
extents = st.sampled_from([1, 2, 3, 5, 7, 8, 13, 15, 16, 17, 31, 32, 33, 37, 48, 64, 67])
lengths = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 13, 16, 31, 64, 67, 147])
channels = st.sampled_from([1, 2, 3, 4, 5, 8, 13, 16, 17, 32])


@st.composite
def gemms(draw: st.DrawFn) -> Workload:
    return make("gemm", {"m": draw(extents), "n": draw(extents), "k": draw(lengths)})


def pairs(values: list[int]) -> st.SearchStrategy[list[int]]:
    return st.lists(st.sampled_from(values), min_size=2, max_size=2)


@st.composite
def convolutions(draw: st.DrawFn) -> Workload:
    shape: dict[str, object] = {
        "batch": draw(st.sampled_from([1, 1, 2, 3])),
        "height": draw(st.integers(1, 13)),
        "width": draw(st.integers(1, 13)),
        "in_channels": draw(channels),
        "out_channels": draw(channels),
        "kernel": draw(pairs([1, 2, 3, 3, 5])),
        "stride": draw(pairs([1, 1, 2, 3])),
        "padding": draw(pairs([0, 0, 1, 2, 6])),  # 6: some windows see nothing but padding
        "dilation": draw(pairs([1, 1, 2, 3])),
        "layout": draw(st.sampled_from(["NHWC", "NHWC", "NCHW"])),
    }
    try:
        return make("conv2d", shape)
    except InputError as error:
        assume("larger than the padded" not in str(error))
        raise


@st.composite
def others(draw: st.DrawFn) -> Workload:
    """Any operator but gemm and conv2d, with shapes around the intrinsic's 16 and 4."""
    names = [name for name in registry.names() if name not in ("gemm", "conv2d", "depthwise_conv2d")]
    operator = registry.get(draw(st.sampled_from(names)))
    shape: dict[str, object] = {}
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    for parameter in operator.parameters:
        name, rank = parameter.name, max(parameter.rank, 1)
        window = {
            "kernel": [1, 2, 3, 4], "stride": [1, 1, 2, 3], "padding": [0, 0, 1, 2],
            "output_padding": [0, 0, 0, 1], "dilation": [1, 1, 1, 2],
        }.get(name)  # fmt: skip
        if parameter.choices:
            shape[name] = draw(st.sampled_from(parameter.choices))
        elif window:
            values = [draw(st.sampled_from(window)) for _ in range(rank)]
            shape[name] = values if rank > 1 else values[0]
        elif name == "groups":
            shape[name] = groups
        elif name.endswith("channels"):
            shape[name] = groups * draw(channels)
        elif name in ("depth", "height", "width"):
            shape[name] = draw(st.integers(1, 9 if "1d" in operator.name else 5))
        else:
            shape[name] = draw(st.sampled_from([1, 2, 3]) if name == "batch" else extents)
    if shape.get("form", "GENERAL") != "GENERAL":
        shape["k"] = shape["n"]
    try:
        return make(operator.name, shape)
    except InputError as error:
        assume(not any(known in str(error) for known in REFUSALS))
        raise


@st.composite
def finished(draw: st.DrawFn) -> Workload:
    """Any operator with any epilogue and output that its sums allow."""
    workload = draw(gemms() | convolutions() | others())
    types = replace(workload.dtypes, output=draw(st.sampled_from(["int8", "uint8", "int32", "float32"])))
    scale, whole = draw(st.booleans()), types.output != "float32"
    given: dict[str, object] = {
        "bias": draw(st.booleans()),
        "residual": whole and draw(st.booleans()),
        "scale": scale,
        "shift": 0 if scale else draw(st.sampled_from([0, 8])),
        "low": draw(st.sampled_from([0, 3, None])),
        "high": draw(st.sampled_from([100, None] if whole else [None])),
    }
    epilogue = resolve({name: (value, "here") for name, value in given.items()}, types)
    return replace(workload, dtypes=types, epilogue=epilogue)


@settings(relaxed, max_examples=12)
@given(finished(), seeds, threads)
def test_epilogues(apart: Apart, workload: Workload, seed: int, count: int) -> None:
    apart.run(job(workload, seed, count))


@settings(relaxed, max_examples=12)
@given(others(), seeds, threads)
def test_other_operators(apart: Apart, workload: Workload, seed: int, count: int) -> None:
    apart.run(job(workload, seed, count))


@settings(relaxed, max_examples=15)
@given(gemms(), seeds, threads)
def test_gemm(apart: Apart, workload: Workload, seed: int, count: int) -> None:
    apart.run(job(workload, seed, count))


@settings(relaxed, max_examples=30)
@given(convolutions(), seeds, threads)
def test_conv2d(apart: Apart, workload: Workload, seed: int, count: int) -> None:
    apart.run(job(workload, seed, count))


@pytest.mark.slow
@settings(relaxed, max_examples=120)
@given(gemms() | convolutions() | others() | finished(), seeds, threads)
def test_many(apart: Apart, workload: Workload, seed: int, count: int) -> None:
    apart.run(job(workload, seed, count))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    ("n", "k"),
    [(163, 12), (32, 8), (200, 37)],
    ids=["four blocks at once, and the last is shifted", "fewer than four", "and a last group"],
)
def test_a_weight_is_packed_at_every_place(apart: Apart, n: int, k: int, count: int) -> None:
    task = Task(make("bmm", {"batch": 3, "m": 11, "n": n, "k": k}), accelerator(), count)
    variant = task.variants[0]
    for place in next(knob for knob in variant.space.knobs if knob.name == PACKED).values:
        for seed in range(2):
            candidate = draw(variant, seed, {PACKED: (place,)})
            apart.run(job_of(task, candidate, seed))


@pytest.mark.parametrize("width", [1, 2, 4])
def test_four_blocks_that_are_packed_at_once_lie_in_tiles_of_any_width(apart: Apart, width: int) -> None:
    task = Task(make("bmm", {"batch": 2, "m": 5, "n": 64, "k": 8}), accelerator(), 1)
    variant = task.variants[0]
    places = next(knob for knob in variant.space.knobs if knob.name == PACKED).values
    for seed, place in enumerate(places):
        candidate = draw(variant, seed, {PACKED: (place,), "register.j": (width,)})
        apart.run(job_of(task, candidate, seed))


def test_rows_of_a_copy_that_are_padding_are_left_out(apart: Apart) -> None:
    """A tile of one row above, in or below the image, whose padded copy holds zeros there."""
    shape = {"height": 5, "width": 6, "in_channels": 8, "out_channels": 17, "kernel": 3, "padding": 2}
    task = Task(make("conv2d", shape), accelerator(), 1)
    rows = {"register.h": (1,), "order.cache": (0,)}  # taps around the groups of four
    for variant in task.variants:
        copied = [i for i, at in enumerate(variant.template.place.positions) if at != SKIP]
        for place in copied[:2]:
            candidate = draw(variant, 0, {**rows, "place.pad": (place,)})
            apart.run(job_of(task, candidate))
            assert InputStage(variant.nest(candidate)).tested


CONV = {"height": 9, "width": 11, "in_channels": 8, "out_channels": 17, "kernel": 3, "padding": 1}
NAMED: list[tuple[str, dict[str, object]]] = [
    ("gemm", {"m": 1, "n": 1, "k": 1}),
    ("gemm", {"m": 1, "n": 100, "k": 204}),
    ("gemm", {"m": 17, "n": 100, "k": 147}),
    ("conv2d", CONV),
    ("conv2d", {**CONV, "in_channels": 3, "kernel": 7, "stride": 2, "padding": 3}),
    ("conv2d", {**CONV, "in_channels": 1}),
    ("conv2d", {**CONV, "in_channels": 1, "kernel": [5, 1], "dilation": [2, 3], "padding": 0}),
    ("conv2d", {**CONV, "kernel": 1}),
    ("conv2d", {**CONV, "kernel": 1, "padding": 2}),
    ("conv2d", {**CONV, "kernel": 1, "stride": 2}),
    ("conv2d", {**CONV, "padding": [5, 9]}),
    ("conv2d", {**CONV, "layout": "NCHW", "batch": 3}),
    ("conv2d", {**CONV, "layout": "NCHW", "padding": 0, "width": 12}),
    ("conv2d", {**CONV, "height": 3, "width": 3, "padding": 0}),
]


@pytest.mark.parametrize(("operator", "shape"), NAMED, ids=[f"{o}-{i}" for i, (o, _) in enumerate(NAMED)])
def test_shapes_that_are_awkward(apart: Apart, operator: str, shape: dict[str, object]) -> None:
    """Every variant of each (the seed picks the variant)."""
    for seed in range(3):
        apart.run(job(make(operator, shape), seed, threads=1 + seed % 2))
