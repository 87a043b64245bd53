"""Sampled schedules of every machine compute what numpy computes, without races and without refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_cli.accelerator.loader import load
from heron_cli.backends.vta.backend import backend
from heron_cli.backends.vta.binary import read_program
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.layout import Layouts
from heron_cli.backends.vta.races import races
from heron_cli.errors import InputError
from heron_cli.operators import registry
from heron_cli.operators.workload import Workload, make
from heron_cli.schedule.task import Task
from heron_cli.space import TableSampler
from heron_cli.trial import Candidate

TYPES = {"input": "int8", "weight": "int8", "accumulate": "int32", "output": "int8"}
MACHINES = ("vta", "vta-small", "vta-1x32x32")
LONGEST = 1500  # instructions that are worth simulating in a test


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    flags = {name: (draw(st.booleans()), "here") for name in ("bias", "residual")}
    if draw(st.booleans()):
        shape = {name: draw(st.integers(1, 100)) for name in "mnk"}
        return make("gemm", shape, dtypes=TYPES, epilogue=flags)
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    least = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    return make(
        "conv2d",
        {
            "batch": draw(st.integers(1, 2)),
            "height": draw(st.integers(least[0], 12)),
            "width": draw(st.integers(least[1], 12)),
            "in_channels": draw(st.sampled_from([3, 16, 33])),
            "out_channels": draw(st.sampled_from([8, 16, 40])),
            "kernel": kernel,
            "stride": draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
            "padding": draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
            "dilation": dilation,
            "layout": draw(st.sampled_from(["NHWC", "NCHW"])),
        },
        dtypes=TYPES,
        epilogue=flags,
    )


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


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_no_sample_is_refused(machine: str) -> None:
    """The solver's word is enough: nothing that it accepts is refused by the generator."""
    accelerator = load(machine)
    rng = np.random.default_rng(3)
    shapes = [("gemm", {"m": 64, "n": 256, "k": 128}), ("gemm", {"m": 1, "n": 1000, "k": 512})]
    for size, channels, kernel, stride in ((14, 256, 3, 1), (7, 512, 3, 1), (28, 128, 1, 2)):
        shapes.append(
            (
                "conv2d",
                {
                    "height": size, "width": size, "in_channels": channels, "out_channels": channels,
                    "kernel": kernel, "stride": stride, "padding": kernel // 2,
                },
            )
        )  # fmt: skip
    for operator, shape in shapes:
        task = Task(make(operator, shape, dtypes=TYPES), accelerator)
        (variant,) = task.variants
        for row in TableSampler(variant.space).sample(40, rng):
            backend.build(task, Candidate.of(variant.name, variant.space.values(row)), threads=1)


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


def test_a_third_padded_dimension_or_too_much_padding_is_refused_with_its_reason() -> None:
    shape = {"height": 20, "width": 20, "in_channels": 16, "out_channels": 16, "kernel": 3, "padding": 16}
    with pytest.raises(InputError, match=r"padding of 16 .* at most 15 .*vta\.yaml:\d+"):
        _ = Task(make("conv2d", shape, dtypes=TYPES), load("vta")).variants
