"""Depthwise convolutions: kernels whose lanes are channels with an input of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from heron_cli import library
from heron_cli.backends.x86.toolchain import toolchain
from heron_cli.errors import InputError
from heron_cli.library.export import export
from heron_cli.library.item import ExportItem
from heron_cli.operators import registry
from heron_cli.operators.epilogue import resolve
from heron_cli.operators.workload import Workload, make
from heron_cli.records import Record
from heron_cli.schedule.nest import SKIP
from heron_cli.schedule.task import Task
from heron_cli.trial import Measurement, Status, Trial

from . import emulated
from .generated import Apart, build, draw, inputs, job_of

pytestmark = pytest.mark.usefixtures("runnable")

relaxed = settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
seeds = st.integers(0, 1 << 16)
LANES = "lanes"
# fewer than the lanes of a vector, exactly as many, one more, primes
CHANNELS = st.sampled_from([1, 3, 7, 8, 13, 16, 17, 31, 32, 48, 67])
KERNELS = st.sampled_from([1, 2, 3, 3, 4, 5, 7])


@st.composite
def depthwise(draw: st.DrawFn) -> Workload:
    def pair(values: st.SearchStrategy[int]) -> list[int]:
        return [draw(values), draw(values)]

    shape: dict[str, object] = {
        "batch": draw(st.sampled_from([1, 1, 2])),
        "height": draw(st.integers(1, 13)),
        "width": draw(st.integers(1, 13)),
        "channels": draw(CHANNELS),
        "multiplier": draw(st.sampled_from([1, 1, 1, 2])),
        "kernel": pair(KERNELS),
        "stride": pair(st.sampled_from([1, 1, 2, 3])),
        "padding": pair(st.sampled_from([0, 1, 1, 2, 6])),  # 6: some windows see nothing but padding
        "dilation": pair(st.sampled_from([1, 1, 2, 3])),
        "layout": draw(st.sampled_from(["NHWC", "NHWC", "NCHW"])),
    }
    return _made("depthwise_conv2d", shape)


@st.composite
def grouped(draw: st.DrawFn) -> Workload:
    """Convolutions of any rank with one channel in a group, or one of several; transposed ones."""
    operator, sizes = draw(
        st.sampled_from(
            [
                ("conv1d", "w"),
                ("conv2d", "hw"),
                ("conv3d", "dhw"),
                ("conv1d_transpose", "w"),
                ("conv2d_transpose", "hw"),
            ]
        )
    )
    names = {"d": "depth", "h": "height", "w": "width"}
    channels = draw(CHANNELS.filter(lambda count: count > 1))  # one channel is one group
    rank, several = len(sizes), 1
    if not operator.endswith("_transpose"):  # the phases of which make matrix products of several channels
        several = draw(st.sampled_from([1, 1, 1, 4, 5]))

    def each(values: list[int]) -> object:
        drawn = [draw(st.sampled_from(values)) for _ in sizes]
        return drawn if rank > 1 else drawn[0]

    shape: dict[str, object] = {names[size]: draw(st.integers(1, 9 if rank < 3 else 5)) for size in sizes}
    shape |= {
        "batch": draw(st.sampled_from([1, 2])),
        "in_channels": channels * several,
        "out_channels": channels * (draw(st.sampled_from([1, 1, 2])) if several == 1 else 1),
        "groups": channels,
        "kernel": each([1, 2, 3, 5]),
        "stride": each([1, 1, 2]),
        "padding": each([0, 1, 2]),
        "dilation": each([1, 1, 2]),
    }
    return _made(operator, shape)


def _made(operator: str, shape: dict[str, object]) -> Workload:
    try:
        return make(operator, shape)
    except InputError as error:
        assume(
            not any(known in str(error) for known in ("larger than the padded", "larger than the unpadded"))
        )
        raise


@st.composite
def finished(draw: st.DrawFn) -> Workload:
    """With any epilogue that int8 inference needs."""
    workload = draw(depthwise())
    types = replace(workload.dtypes, output=draw(st.sampled_from(["int8", "uint8", "int32"])))
    scale = draw(st.booleans())
    given: dict[str, object] = {
        "bias": draw(st.booleans()),
        "residual": draw(st.booleans()),
        "scale": scale,
        "shift": 0 if scale else draw(st.sampled_from([0, 8])),
        "low": draw(st.sampled_from([0, None])),
        "high": draw(st.sampled_from([100, None])),
    }
    epilogue = resolve({name: (value, "here") for name, value in given.items()}, types)
    return replace(workload, dtypes=types, epilogue=epilogue)


def check(apart: Apart, workload: Workload, seed: int, machine: str = "dlboost") -> None:
    task = Task(workload, emulated.accelerator(machine), 1 + seed % 2)
    apart.run(job_of(task, draw(task.variant(LANES), seed), seed))


@settings(relaxed, max_examples=30)
@given(depthwise(), seeds)
def test_depthwise(apart: Apart, workload: Workload, seed: int) -> None:
    check(apart, workload, seed)


@settings(relaxed, max_examples=20)
@given(grouped(), seeds)
def test_one_channel_in_a_group(apart: Apart, workload: Workload, seed: int) -> None:
    check(apart, workload, seed)


@settings(relaxed, max_examples=15)
@given(finished(), seeds)
def test_epilogues(apart: Apart, workload: Workload, seed: int) -> None:
    check(apart, workload, seed)


@settings(relaxed, max_examples=8)
@given(depthwise(), seeds)
def test_half_vectors(apart: Apart, workload: Workload, seed: int) -> None:
    check(apart, workload, seed, "dlboost-avx2")


@pytest.mark.slow
@settings(relaxed, max_examples=150)
@given(depthwise() | grouped() | finished(), seeds)
def test_many(apart: Apart, workload: Workload, seed: int) -> None:
    check(apart, workload, seed)


LAYER: dict[str, object] = {"height": 9, "width": 11, "channels": 37, "kernel": 3, "padding": 1}
NAMED: list[dict[str, object]] = [
    LAYER,
    {**LAYER, "kernel": 5, "padding": 2, "stride": 2},
    {**LAYER, "kernel": [3, 9], "padding": [1, 4]},
    {**LAYER, "kernel": [1, 7], "padding": 0},
    {**LAYER, "kernel": [9, 11], "padding": 0},
    {**LAYER, "padding": [0, 2], "dilation": 2},
    {**LAYER, "layout": "NCHW", "batch": 2},
]


@pytest.mark.parametrize("shape", NAMED)
def test_every_place_of_the_input(apart: Apart, shape: dict[str, object]) -> None:
    task = Task(make("depthwise_conv2d", shape), emulated.accelerator(), 1)
    variant = task.variant(LANES)
    place = variant.template.place
    positions = range(len(place.positions)) if place else [0]
    for index in positions:
        only = {f"place.{place.stage}": (index,)} if place and len(place.positions) > 1 else {}
        apart.run(job_of(task, draw(variant, index, only), index))
    if shape["padding"] and shape.get("layout") != "NCHW":
        assert place is not None and SKIP in place.positions


@pytest.mark.parametrize("kernel", [[1, 31], [31, 2], [13, 13]])
def test_groups_of_taps_in_a_loop(apart: Apart, kernel: list[int]) -> None:
    """More groups than a step unrolls, with and without a last one that is filled up."""
    shape = {"height": 31, "width": 35, "channels": 20, "kernel": kernel, "padding": [k // 2 for k in kernel]}
    task = Task(make("depthwise_conv2d", shape), emulated.accelerator(), 1)
    for seed in range(3):
        apart.run(job_of(task, draw(task.variant(LANES), seed), seed))


def test_in_a_library(tmp_path: Path) -> None:
    """Built, exported, opened by the library's own loader and called."""
    workload = make("depthwise_conv2d", {**LAYER, "stride": 2})
    task = Task(workload, emulated.accelerator(), 1)
    candidate = draw(task.variant(LANES), 3)
    kernel = build(task, candidate)
    trial = Trial(candidate, Measurement(Status.OK, seconds=1e-5, verified=True, program=kernel.program))
    digest = task.accelerator.digest
    record = Record(
        workload.key, {}, workload.operator, "dlboost", digest, 1, trial, 0, "cga", {"heron": "0"}, "now"
    )
    done = export([ExportItem(workload, kernel, record, ())], tmp_path / "out", toolchain)
    assert done.unchecked == ()
    opened = library.load(tmp_path / "out")
    found = opened.find("depthwise_conv2d", channels=37, stride=(2, 2))
    for arrays in inputs(workload, 1):
        expected = registry.get("depthwise_conv2d").reference(workload, arrays)
        assert (found(arrays["input"], found.pack(arrays["weight"])) == expected).all()
