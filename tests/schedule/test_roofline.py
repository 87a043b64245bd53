"""The analytic model against what the code generator really does, and generation 0 against chance."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from heron_cli import session
from heron_cli.accelerator.loader import load
from heron_cli.backends.vta.backend import backend
from heron_cli.backends.vta.binary import read_program
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.isa import Load, Memory
from heron_cli.operators.workload import make
from heron_cli.schedule.roofline import BOUND, CYCLES
from heron_cli.schedule.seeds import SEEDS, lower_bound, seeds
from heron_cli.schedule.task import Task
from heron_cli.space import Rows, TableSampler, Var
from heron_cli.trial import Candidate

from .workloads import CONV, conv

SHAPES: list[dict[str, object]] = [
    {"height": 14, "width": 14, "in_channels": 64, "out_channels": 32},
    {
        "height": 14,
        "width": 14,
        "in_channels": 32,
        "out_channels": 64,
        "kernel": 1,
        "padding": 0,
        "stride": 2,
    },
    {"height": 7, "width": 7, "in_channels": 32, "out_channels": 64},
]
TARGETS = ["vta", "vta-small", "vta-1x32x32"]


@cache
def task(target: str, shape: int) -> Task:
    machine = load(target)
    types = {"input": "int8", "weight": "int8", "accumulate": "int32", "output": "int8"}
    return session.make_task(make("conv2d", {**CONV, **SHAPES[shape]}, dtypes=types), machine)


def sample(made: Task, count: int) -> Rows:
    (variant,) = made.variants
    return TableSampler(variant.space).sample(count, np.random.default_rng(3))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_traffic_and_rows_are_those_of_the_program(target: str, shape: int) -> None:
    made = task(target, shape)
    (variant,) = made.variants
    config = VtaConfig.of(made.accelerator)
    sizes = {Memory.INPUT: ("input", config.input), Memory.WEIGHT: ("weight", config.weight)}
    rows = sample(made, 12)
    columns = {name: np.broadcast_to(c, len(rows)) for name, c in variant.evaluator.columns(rows).items()}
    for index, row in enumerate(rows):
        candidate = Candidate.of(variant.name, variant.space.values(row))
        program = read_program(backend.build(made, candidate, threads=1).code, config)
        loads = [each for each in program.instructions if isinstance(each, Load) and each.memory in sizes]
        for memory, (name, buffer) in sizes.items():
            elements = sum(each.x_size * each.y_size for each in loads if each.memory is memory)
            assert elements * buffer.element_bytes == columns[f"roofline.{name}.bytes"][index]
        assert sum(each.y_size for each in loads) == columns["roofline.rows"][index]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_no_program_beats_the_bound(target: str, shape: int) -> None:
    made = task(target, shape)
    (variant,) = made.variants
    rows = sample(made, 40)
    bounds = variant.evaluator.evaluate(Var(BOUND), rows)
    proven = lower_bound(variant.space)
    assert proven is not None
    assert (bounds >= proven).all()
    for row, bound in zip(rows, bounds, strict=True):
        candidate = Candidate.of(variant.name, variant.space.values(row))
        assert backend.build(made, candidate, threads=1).metrics["cycles"] >= bound


def test_seeds_are_the_best_of_different_tile_shapes() -> None:
    made = task("vta", 0)
    (variant,) = made.variants
    found = seeds(variant.template, variant.space)
    rows = np.array([variant.space.row(each) for each in found])
    assert 0 < len(rows) <= SEEDS
    assert variant.evaluator.valid(rows).all()
    shapes = {tuple(v for k, v in each.items() if k.startswith("inner.")) for each in found}
    assert len(shapes) == len(found)
    estimates = variant.evaluator.evaluate(Var(CYCLES), rows)
    assert (np.diff(estimates) >= 0).all()
    assert estimates[0] <= variant.evaluator.evaluate(Var(CYCLES), sample(made, 2000)).min()


def test_a_machine_without_filled_memories_has_no_roofline() -> None:
    machine = load("dlboost")
    made = session.make_task(conv(height=14, width=14, in_channels=64, out_channels=64), machine)
    for variant in made.variants:
        assert BOUND not in {item.name for item in variant.space.derived}
        assert lower_bound(variant.space) is None
        assert seeds(variant.template, variant.space)


LARGE: list[tuple[str, dict[str, object]]] = [
    ("gemm", {"m": 4096, "n": 4096, "k": 4096}),
    ("gemm", {"m": 32768, "n": 32768, "k": 32768}),
    ("gemm", {"m": 131072, "n": 512, "k": 4096}),
    ("bmm", {"batch": 384, "m": 2048, "n": 2048, "k": 128}),
    ("conv2d", {**CONV, "batch": 64, "height": 224, "width": 224, "in_channels": 64, "out_channels": 64}),
    (
        "conv2d",
        {**CONV, "batch": 256, "height": 224, "width": 224, "in_channels": 3, "out_channels": 64}
        | {"kernel": 7, "padding": 3, "stride": 2},
    ),
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("operator", "shape"), LARGE)
def test_costs_of_large_workloads_are_numbers_that_the_solver_takes(
    target: str, operator: str, shape: dict[str, object]
) -> None:
    types = {"input": "int8", "weight": "int8", "accumulate": "int32", "output": "int8"}
    assert session.make_task(make(operator, shape, dtypes=types), load(target)).variants


def test_what_tiles_touch_together_is_not_cut_off() -> None:
    types = {"input": "int8", "weight": "int8", "accumulate": "int32", "output": "int8"}
    made = session.make_task(make("gemm", {"m": 399, "n": 400, "k": 201}, dtypes=types), load("vta"))
    (variant,) = made.variants
    rows = sample(made, 500)
    found = variant.evaluator.columns(rows)
    inner = {name: rows[:, variant.space.names.index(f"inner.{name}")] for name in "ik"}
    length = np.minimum(208, inner["k"] * 16)  # whole blocks; 7 of them are no data
    once = -(-399 // inner["i"]) * inner["i"] * (-(-13 // inner["k"]) * length - 7)
    assert (found["roofline.input.bytes"] == found["roofline.input.repeats"] * once).all()
