"""VNNI on 256-bit vectors, in both encodings: machines that are YAML alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from heron_cli.accelerator.loader import load
from heron_cli.operators.workload import make
from heron_cli.schedule.task import Task

from . import emulated
from .generated import Apart, build, draw, job

SHAPES: list[tuple[str, dict[str, object]]] = [
    ("gemm", {"m": 17, "n": 43, "k": 37}),
    ("bmm", {"batch": 2, "m": 9, "n": 12, "k": 16}),
    ("conv2d", {"height": 7, "width": 9, "in_channels": 8, "out_channels": 20, "kernel": 3, "padding": 1}),
]


@pytest.mark.parametrize(("machine", "prefix"), [("dlboost-avx2", "62"), ("avx-vnni", "c4")])
def test_the_instruction_and_its_encoding(machine: str, prefix: str, tmp_path: Path) -> None:
    task = Task(make(*SHAPES[0]), load(machine), 1)
    (tmp_path / "kernel.o").write_bytes(build(task, draw(task.variants[0], 1)).code)
    listing = subprocess.run(
        ["objdump", "-d", tmp_path / "kernel.o"], capture_output=True, text=True, check=True
    ).stdout
    found = [line.split("\t") for line in listing.splitlines() if "vpdpbusd" in line]
    assert found and all(bytes_.startswith(prefix) for _, bytes_, *_ in found)
    assert "%zmm" not in listing


@pytest.mark.usefixtures("runnable")
@pytest.mark.parametrize("machine", ["dlboost-avx2", "avx-vnni"])
@pytest.mark.parametrize(("operator", "shape"), SHAPES)
def test_kernels_are_exact(
    apart: Apart, machine: str, operator: str, shape: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not emulated.native(machine):
        monkeypatch.setattr(emulated.forms, "llvm_intrinsic", emulated.llvm_intrinsic)
    for seed in range(2):
        apart.run(job(make(operator, shape), seed, 1 + seed % 2, emulated.accelerator(machine)))
