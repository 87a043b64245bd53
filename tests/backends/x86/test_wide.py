"""A second accelerator of the family is YAML alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heron_cli.accelerator.loader import load
from heron_cli.operators.workload import make
from heron_cli.schedule.nest import Tiling
from heron_cli.schedule.task import Task
from heron_cli.space import CpBackend, TableSampler
from heron_cli.trial import Candidate

from .generated import Apart, draw, job, job_of

WIDE = load(Path(__file__).with_name("wide.yaml"))
SHAPES: list[tuple[str, dict[str, object]]] = [
    ("gemm", {"m": 61, "n": 100, "k": 147}),
    ("gemm", {"m": 128, "n": 256, "k": 64}),
    ("conv2d", {"batch": 2, "height": 14, "width": 13, "in_channels": 8, "out_channels": 40, "kernel": 3,
                "padding": 1}),
    ("conv2d", {"height": 14, "width": 13, "in_channels": 5, "out_channels": 16, "kernel": [3, 1],
                "stride": 2, "layout": "NCHW"}),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "shape"), SHAPES)
@pytest.mark.parametrize("threads", [1, 2])
def test_bounds_of_the_yaml_hold(operator: str, shape: dict[str, object], threads: int) -> None:
    task = Task(make(operator, shape), WIDE, threads)
    for variant in task.variants:
        rows = TableSampler(variant.space).sample(200, np.random.default_rng(0))
        columns = variant.evaluator.columns(rows)
        for axis in variant.template.einsum.axes:
            if f"register.{axis.name}" in columns:
                assert columns[f"register.{axis.name}"].max() <= 3
            if f"step.{axis.name}" in columns:
                assert columns[f"step.{axis.name}"].max() <= 2
            if f"cache.{axis.name}" in columns:
                assert columns[f"cache.{axis.name}"].max() <= 5
        assert columns["parallel.iterations"].max() <= 6
        if "pad.length.w" in columns:
            assert columns["pad.length.w"].max() <= 40
        for row in rows[:20]:
            assert CpBackend(variant.space).solve(
                np.random.default_rng(0), {k: (v,) for k, v in variant.space.values(row).items()}
            )


def test_every_level_gets_loops() -> None:
    task = Task(make("gemm", {"m": 128, "n": 256, "k": 64}), WIDE, 1)
    nest = task.variants[0].nest(draw(task.variants[0], 3))
    assert [loop.level for loop in nest.positions()] == [
        "parallel", "parallel", "cache", "cache", "strip", "strip", "strip",
    ]  # fmt: skip
    for axis in nest.einsum.spatial:
        tiling: Tiling = nest.tilings[axis.name]
        assert np.prod([factor for _, factor in tiling.factors]) == tiling.tiles


@pytest.mark.vnni
@pytest.mark.parametrize(("operator", "shape"), SHAPES)
def test_kernels_are_exact(apart: Apart, operator: str, shape: dict[str, object]) -> None:
    for seed in range(3):
        apart.run(job(make(operator, shape), seed, 1 + seed % 2, WIDE))


@pytest.mark.vnni
def test_every_place_of_the_copy(apart: Apart) -> None:
    task = Task(make(*SHAPES[2]), WIDE, 2)
    variant = task.variant("direct")
    place = variant.template.place
    assert place is not None
    for index, position in enumerate(place.positions):
        row = TableSampler(variant.space).sample(1, np.random.default_rng(index), {"place.pad": (index,)})[0]
        candidate = Candidate.of(variant.name, variant.space.values(row))
        assert variant.nest(candidate).stage == position
        apart.run(job_of(task, candidate))


# Machines of the family that differ from DL Boost in one respect each.
VARIATIONS = {
    "lanes": "intrinsics: [{name: vpdpbusd, shape: {m: 1, n: 8, k: 4}, llvm: llvm.x86.avx512.vpdpbusd.256}]\n"
    "memories: [{name: register, vector: 32 B}]",
    "reduction": "levels: [{name: cache}, {name: strip, axes: [spatial, reduction], order: free}]",
    "mixed": "levels: [{name: cache, order: mixed}]",
    "rolled": "levels: [{name: step, unroll: false}]",
    "no-tails": "tails: none",
}


@pytest.mark.vnni
@pytest.mark.parametrize("name", VARIATIONS)
def test_variations(apart: Apart, name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.yaml"
    path.write_text(f"schema: heron/accelerator/1\nname: {name}\nextends: dlboost\n{VARIATIONS[name]}\n")
    machine = load(path)
    for operator, shape in SHAPES[::2]:
        for seed in range(2):
            apart.run(job(make(operator, shape), seed, 1 + seed % 2, machine))
