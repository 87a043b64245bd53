"""Sampled schedules of every machine compute what numpy computes, without races and without refusals."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_cli.accelerator.loader import load
from heron_cli.backends.vta.backend import backend
from heron_cli.backends.vta.binary import read_program
from heron_cli.backends.vta.codegen import generate
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.hazards import closest_reuse
from heron_cli.backends.vta.isa import Gemm, Module
from heron_cli.backends.vta.kernels import kernels
from heron_cli.backends.vta.layout import Layouts
from heron_cli.backends.vta.races import most_tokens, races
from heron_cli.backends.vta.sync import synchronise
from heron_cli.errors import InputError, SpaceEmptyError
from heron_cli.operators import registry
from heron_cli.operators.workload import Workload, make
from heron_cli.schedule.task import Task
from heron_cli.space import TableSampler
from heron_cli.trial import Candidate

from .sampled import MACHINES, TYPES, workloads

LONGEST = 1500  # instructions that are worth simulating in a test


def square(size: int, channels: int) -> dict[str, int]:
    return {"height": size, "width": size, "in_channels": channels, "out_channels": channels}


@given(workloads(), st.sampled_from(MACHINES), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_sampled_programs_are_exact_and_free_of_races(workload: Workload, machine: str, seed: int) -> None:
    accelerator = load(machine)
    config = VtaConfig.of(accelerator)
    task = Task(workload, accelerator)
    operator = registry.get(workload.operator)
    specs = operator.specs(workload)
    rng = np.random.default_rng(seed)
    arrays = {
        name: rng.integers(-128, 128, spec.shape, np.int8) for name, spec in specs.items() if name != "output"
    }
    expected = operator.reference(workload, arrays)
    (variant,) = task.variants
    for row in TableSampler(variant.space).sample(3, rng):
        candidate = Candidate.of(variant.name, variant.space.values(row))
        kernel = backend.build(task, candidate, threads=1)  # a refusal here is a missing constraint
        if kernel.metrics["instructions"] > LONGEST:
            continue
        assert np.array_equal(backend.simulate(task, candidate, kernel, arrays), expected)
        assert not races(read_program(kernel.code, config), config)


SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "gemm": ("gemm", {"m": 64, "n": 256, "k": 128}),
    "one row": ("gemm", {"m": 1, "n": 1000, "k": 512}),
    "bmm": ("bmm", {"batch": 12, "m": 64, "n": 64, "k": 32}),
    "3x3": ("conv2d", {**square(14, 256), "kernel": 3, "padding": 1}),
    "deep": ("conv2d", {**square(7, 512), "kernel": 3, "padding": 1}),
    "strided": ("conv2d", {**square(28, 128), "kernel": 1, "stride": 2}),
    "groups": ("conv2d", {**square(14, 128), "kernel": 5, "padding": 2, "groups": 4}),
    "conv1d": ("conv1d", {"width": 256, "in_channels": 64, "out_channels": 96, "kernel": 7, "padding": 3}),
}
EPILOGUE = {"bias": (True, "here"), "residual": (True, "here")}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("machine", MACHINES)
def test_no_sample_is_refused(machine: str, shape: str, samples: int = 2) -> None:
    """The solver's word is enough: nothing that it accepts is refused by the generator or the checks."""
    accelerator = load(machine)
    operator, sizes = SHAPES[shape]
    for epilogue in ({}, EPILOGUE):
        task = Task(make(operator, sizes, dtypes=TYPES, epilogue=epilogue), accelerator)
        (variant,) = task.variants
        for row in TableSampler(variant.space).sample(samples, np.random.default_rng(3)):
            backend.build(task, Candidate.of(variant.name, variant.space.values(row)), threads=1)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("machine", MACHINES)
def test_no_sample_of_two_thousand_is_refused(machine: str, shape: str) -> None:
    """8 shapes, 3 machines, 84 samples of each: 2,016."""
    test_no_sample_is_refused(machine, shape, 42)


TIGHT = """
schema: heron/accelerator/1
name: tight
description: fields so narrow that they decide
extends: vta
sources: ["none: a test"]
limits: {iterations: 60, dma_elements: 200, tokens: 5, tiles: 300, required_accumulator_distance: 4}
"""


@given(workloads(), st.integers(0, 2**31))
@settings(max_examples=25)
def test_narrow_fields_are_respected_by_constraints(
    tmp_path_factory: pytest.TempPathFactory, workload: Workload, seed: int
) -> None:
    """What fits the fields is decided by the space, not by the generator; so is the distance of updates."""
    path = tmp_path_factory.mktemp("tight") / "tight.yaml"
    path.write_text(TIGHT, encoding="utf-8")
    task = Task(workload, load(path))
    try:
        (variant,) = task.variants
        rows = TableSampler(variant.space).sample(4, np.random.default_rng(seed))
    except (InputError, SpaceEmptyError) as error:  # rows are too far apart, or no tile is small enough
        assert "\n" not in str(error)
        return
    for row in rows:
        kernel = backend.build(task, Candidate.of(variant.name, variant.space.values(row)), threads=1)
        program = read_program(kernel.code, VtaConfig.of(task.accelerator))
        for item, kernel_of in zip(
            program.instructions, kernels(program, VtaConfig.of(task.accelerator)), strict=True
        ):
            if isinstance(item, Gemm) and not item.reset and kernel_of is not None:
                loops = (item.iter_out, item.dst_out), (item.iter_in, item.dst_in)
                assert closest_reuse(kernel_of.rows[:, 0], *loops, 4) == 4


def test_each_limit_has_a_labelled_constraint() -> None:
    operator, sizes = SHAPES["3x3"]
    (variant,) = Task(make(operator, sizes, dtypes=TYPES), load("vta")).variants
    labels = {item.label: str(item.origin) for item in variant.space.constraints}
    for label, limit in {
        "C5 memory limit input": "capacity",
        "C6 fill h and kh": "axes",
        "C6 fill tiles": "tiles",
        "C6 micro-ops": "capacity",
        "C6 micro-ops iterations": "iterations",
        "C6 transfer input": "dma_elements",
        "C6 transfer weight": "dma_elements",
        "C6 tokens loads": "tokens",
        "C6 tokens stores": "tokens",
    }.items():
        assert label in labels
        if limit == "axes":
            assert labels[label] == "axes h and kh"
        else:
            assert re.search(r"vta\.yaml:\d+", labels[label]), label


@given(workloads(), st.integers(0, 2**31))
@settings(max_examples=15)
def test_no_more_tokens_wait_than_there_are_buffers(workload: Workload, seed: int) -> None:
    """What the constraint on tokens rests on."""
    accelerator = load("vta-small")
    config = VtaConfig.of(accelerator)
    (variant,) = Task(workload, accelerator).variants
    rows = TableSampler(variant.space).sample(4, np.random.default_rng(seed))
    threads = variant.evaluator.columns(rows)["thread.iterations"].tolist()
    for nest, count in zip(variant.nests(rows), threads, strict=True):
        program = synchronise(generate(nest, config), config)
        copies = nest.copies
        loads = count * (copies["input"] + copies["weight"])
        stores = count * copies["accumulator"]
        for queue, most in most_tokens(program).items():
            assert most <= (loads if Module.LOAD in queue else stores)


@given(workloads())
@settings(max_examples=30, deadline=None)
def test_packing_is_reversible(workload: Workload) -> None:
    accelerator = load("vta")
    task = Task(workload, accelerator)
    (variant,) = task.variants
    row = TableSampler(variant.space).sample(1, np.random.default_rng(0))[0]
    nest = variant.nest(Candidate.of(variant.name, variant.space.values(row)))
    layouts = Layouts.of(nest, VtaConfig.of(accelerator))
    for name, spec in registry.get(workload.operator).specs(workload).items():
        if name in ("input", "weight", "output"):
            array = np.random.default_rng(1).integers(-128, 128, spec.shape, np.int8)
            layout = getattr(layouts, name)
            packed = layout.pack(array)
            assert packed.shape[0] == layout.elements
            assert np.array_equal(layout.unpack(packed).reshape(array.shape), array)


@pytest.mark.parametrize(
    ("operator", "shape", "reason"),
    [
        ("conv2d", {**square(20, 16), "kernel": 3, "padding": 16},
         r"padding of 16 .* at most 15 .*vta\.yaml:\d+"),
        ("conv3d", {**square(6, 16), "depth": 6, "kernel": 3, "padding": 1},
         "3 padded dimensions; a transfer pads rows and columns only"),
        ("conv3d", {**square(6, 16), "depth": 6, "kernel": 3, "padding": (1, 0, 0)},
         "padding on d, kd, outside the two innermost dimensions"),
        ("conv2d", {**square(5, 16), "width": 70_000, "kernel": 3, "padding": 1},
         r"rows are 70,000 elements apart; a transfer reaches 65,535 .*vta\.yaml:\d+"),
        ("depthwise_conv2d", {"height": 8, "width": 8, "channels": 16, "kernel": 3},
         "no n-like axis"),
    ],
)  # fmt: skip
def test_what_vta_cannot_express_is_refused_with_its_reason(
    operator: str, shape: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        _ = Task(make(operator, shape, dtypes=TYPES), load("vta")).variants
    assert "\n" not in str(caught.value)


def test_rows_far_apart_are_loaded_one_by_one() -> None:
    """The stride's field reaches 65,535 elements; blocks of the reduction are 70,000 apart here."""
    task = Task(make("gemm", {"m": 70_000, "n": 16, "k": 64}, dtypes=TYPES), load("vta"))
    (variant,) = task.variants
    (row,) = TableSampler(variant.space).sample(1, np.random.default_rng(0), {"inner.k": (4,)})
    backend.build(task, Candidate.of(variant.name, variant.space.values(row)), threads=1)
