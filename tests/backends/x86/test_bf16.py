"""bfloat16 products: a machine that is YAML alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from heron_cli.accelerator.loader import load
from heron_cli.accelerator.model import Accelerator
from heron_cli.backends.base import BuildError
from heron_cli.backends.x86 import inline
from heron_cli.machine import Machine
from heron_cli.operators.workload import Workload, make
from heron_cli.schedule.task import Task

from . import emulated
from .generated import Apart, build, draw, job

TYPES = {"input": "bfloat16", "weight": "bfloat16", "accumulate": "float32", "output": "float32"}
PADDED = {"height": 7, "width": 9, "in_channels": 8, "out_channels": 32, "kernel": 3, "padding": 1}
SHAPES: list[tuple[str, dict[str, object]]] = [
    ("gemm", {"m": 17, "n": 43, "k": 37}),
    ("gemv", {"m": 70, "k": 33}),
    ("bmm", {"batch": 2, "m": 9, "n": 32, "k": 16}),
    ("conv2d", dict(PADDED)),
    ("conv2d", {**PADDED, "in_channels": 3, "stride": 2, "layout": "NCHW"}),
    ("depthwise_conv2d", {"height": 7, "width": 9, "channels": 20, "kernel": 3, "padding": 1}),
    (
        "depthwise_conv2d",
        {"height": 7, "width": 9, "channels": 5, "kernel": 4, "stride": 2, "layout": "NCHW"},
    ),
    (
        "conv2d_transpose",
        {"height": 4, "width": 5, "in_channels": 6, "out_channels": 20, "kernel": 3, "stride": 2},
    ),
]


def workload(operator: str, shape: dict[str, object], **types: str) -> Workload:
    return make(operator, shape, dtypes={**TYPES, **types})


@pytest.fixture
def machine() -> Iterator[Accelerator]:
    """The accelerator; where the CPU lacks the instruction, with one of plain operations in its place."""
    found = load("avx512-bf16")
    with pytest.MonkeyPatch.context() as patch:
        if not set(found.requires.cpu_flags) <= Machine().cpu_flags:
            patch.setattr(inline, "multiplication", emulated.multiplication)
            target = {**found.tvm_target, "mcpu": "x86-64-v3"}
            found = replace(found, tvm_target=target, digest=f"{found.digest}-emulated")
        yield found


@pytest.mark.parametrize(("operator", "shape"), SHAPES, ids=[f"{o}-{i}" for i, (o, _) in enumerate(SHAPES)])
def test_kernels_are_exact(
    apart: Apart, machine: Accelerator, operator: str, shape: dict[str, object]
) -> None:
    for seed in range(3):
        apart.run(job(workload(operator, shape), seed, 1 + seed % 2, machine))


def test_the_instruction(tmp_path: Path) -> None:
    task = Task(workload(*SHAPES[0]), load("avx512-bf16"), 1)
    kernel = build(task, draw(task.variants[0], 1))
    (tmp_path / "kernel.o").write_bytes(kernel.code)
    command = ["objdump", "-d", tmp_path / "kernel.o"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert listing.count("vdpbf16ps") == kernel.metrics["instructions"] > 0
    names = subprocess.run(["nm", tmp_path / "kernel.o"], capture_output=True, text=True, check=True).stdout
    assert "heron_multiply" not in names


def test_bfloat16_results_are_refused() -> None:
    task = Task(workload(*SHAPES[0], output="bfloat16"), load("avx512-bf16"), 1)
    with pytest.raises(BuildError, match="output is bfloat16; the x86 back end finishes and stores"):
        build(task, draw(task.variants[0], 1))
