"""The loop whose pace is the peak: what it computes, what it is made of, and how paces become a peak."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from heron_cli.accelerator.loader import load
from heron_cli.accelerator.model import Accelerator
from heron_cli.backends.base import BuildError, Peak
from heron_cli.backends.x86 import backend, inline, peak
from heron_cli.backends.x86.loader import load as load_kernel
from heron_cli.operators.workload import make
from heron_cli.schedule.task import Task

from . import emulated

CORES = sorted(os.sched_getaffinity(0))
BROADEST = {"dlboost": 28, "dlboost-avx2": 28, "avx-vnni": 12, "avx512-bf16": 28}


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the CPU lacks VNNI, plain instructions in its place, for one test."""
    if not emulated.NATIVE:
        monkeypatch.setattr(emulated.forms, "llvm_intrinsic", emulated.llvm_intrinsic)


@pytest.fixture
def bfloat16() -> Iterator[Accelerator]:
    found = emulated.accelerator("avx512-bf16")
    with pytest.MonkeyPatch.context() as patch:
        if not emulated.NATIVE:
            patch.setattr(inline, "multiplication", emulated.multiplication)
        yield found


def totals(machine: Accelerator, sums: int, calls: int) -> np.ndarray:
    """The sums after some calls, which begin at their numbers: 0, 1, 2 …"""
    kernel = peak.build(peak.dot_of(machine.intrinsics[0]), sums, machine.tvm_target)
    loaded = load_kernel(kernel, threads=1)
    operands = peak.buffers(kernel)
    lanes = operands[0].size
    operands[2][...] = np.repeat(np.arange(sums), lanes)
    for _ in range(calls):
        loaded.call(operands)
    loaded.close()
    return np.array(operands[2]).reshape(sums, lanes)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("name", ["dlboost", "dlboost-avx2"])
def test_every_sum_gets_an_instruction_a_step(name: str) -> None:
    found = totals(emulated.accelerator(name), 5, 3)
    expected = np.arange(5) + 3 * peak.STEPS * 4 * 0x3F * 0x3F
    assert (found == expected[:, None]).all()


def test_every_sum_of_bfloat16_gets_an_instruction_a_step(bfloat16: Accelerator) -> None:
    product = float(np.array([0x3F3F0000], dtype=np.uint32).view(np.float32)[0]) ** 2
    found = totals(bfloat16, 5, 1)
    assert found == pytest.approx(np.repeat(np.arange(5), 16).reshape(5, 16) + 2 * peak.STEPS * product, 1e-3)


@pytest.mark.parametrize("name", BROADEST)
def test_the_loop_keeps_everything_in_registers(name: str, tmp_path: Path) -> None:
    machine = load(name)
    dot, sums = peak.dot_of(machine.intrinsics[0]), peak.sums_of(machine)
    assert sums == BROADEST[name]
    (tmp_path / "peak.o").write_bytes(peak.build(dot, sums, machine.tvm_target).code)
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", f"--disassemble={peak.SYMBOL}", "peak.o"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    products = [line for line in listing.splitlines() if "dpbusd" in line or "dpbf16ps" in line]
    assert len(products) % sums == 0
    assert len(products) > 0
    assert not any("(" in line for line in products)
    inside = listing[listing.index(products[0]) : listing.index(products[-1])]
    assert "(%" not in inside


def test_the_fastest_core_of_all_times_counts_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    found, machine = peak.Peaks(), load("dlboost")
    work = peak._CALLS * peak.STEPS * 28 * 64
    asked: list[list[int]] = []

    def products(cores: int, *seconds: float) -> float:
        def answer(kernel: object, tried: range) -> tuple[float, ...]:
            asked.append(list(tried))
            return seconds

        monkeypatch.setattr(peak, "fastest", answer)
        return found.products(machine, machine.intrinsics, range(cores))

    assert products(1, 2.0) == work / 2
    assert products(2, 2.0, 1.0) == 2 * work
    assert products(1, 4.0) == work  # it was faster before
    assert products(56, 0.5) == 56 * 2 * work
    assert asked == [[0], [0, 1], [0], list(range(0, 56, 7))]


@pytest.mark.usefixtures("plain")
def test_cores_are_only_borrowed() -> None:
    machine = emulated.accelerator()
    kernel = peak.build(peak.dot_of(machine.intrinsics[0]), 4, machine.tvm_target)
    found = peak.fastest(kernel, CORES)
    assert len(found) == len(CORES)
    assert min(found) > 0
    assert sorted(os.sched_getaffinity(0)) == CORES


@pytest.mark.usefixtures("plain")
def test_this_machine_has_a_peak() -> None:
    task = Task(make("gemm", {"m": 8, "n": 32, "k": 16}), emulated.accelerator())
    found = backend.peak(task, CORES[:1])
    assert isinstance(found, Peak)
    assert found.products > 0
    assert (found.source, found.bandwidth) == ("measured", None)


def test_what_does_not_compile_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BuildError("no such intrinsic")

    monkeypatch.setattr(peak, "build", refuse)
    monkeypatch.setattr(backend, "_peaks", None)
    task = Task(make("gemm", {"m": 8, "n": 32, "k": 16}), load("dlboost"))
    assert backend.peak(task, CORES[:1]) == "the peak cannot be measured: no such intrinsic"
