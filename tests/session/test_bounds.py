"""The bound of machines that are measured: a roofline of what must be done, and when there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from heron_cli import doctor, session
from heron_cli.accelerator.loader import load
from heron_cli.backends import registry
from heron_cli.backends.base import Peak
from heron_cli.backends.cuda import probe
from heron_cli.cli import application
from heron_cli.configs import config_dir
from heron_cli.errors import InputError
from heron_cli.operators.workload import load_file, make
from heron_cli.schedule.task import Task
from heron_cli.schedule.work import Work, work
from heron_cli.search.bound import Bound
from heron_cli.session import RunnerKind, Settings
from heron_cli.session.bounds import machine_bound, roof, with_machine_bound
from heron_cli.trial import Candidate, Measurement, Status

MEASURED = Peak(1e9, "measured")
GEMM = ["gemm", "--target", "dlboost", "--shape", "m=17,n=40,k=24", "--trials", "32"]
SECONDS = 17 * 40 * 24 / 1e9
FILES = [path for path in sorted((config_dir() / "workloads").rglob("*.yaml")) if "vta" not in path.stem]


def task(target: str = "dlboost", **shape: int) -> Task:
    return Task(make("gemm", {"m": 17, "n": 40, "k": 24, **shape}), load(target))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every machine is here; this one's CPU makes 1e9 products a second."""
    monkeypatch.setattr(doctor, "obstacles", lambda accelerator: [])
    monkeypatch.setattr(registry.get("x86"), "peak", lambda task, cores: MEASURED, raising=False)


numbers = st.floats(1.0, 1e15)


@given(st.integers(1, 2**40), st.integers(1, 2**40), numbers, st.none() | numbers, st.integers(0, 2**30))
def test_the_slower_of_products_and_bytes_decides(
    products: int, moved: int, rate: float, bandwidth: float | None, cached: int
) -> None:
    peak = Peak(rate, "documented", bandwidth, cached)
    found = roof(Work(products, moved), peak)
    computing = products / rate
    moving = 0.0 if bandwidth is None else max(0, moved - cached) / bandwidth
    assert found.cost == max(computing, moving) > 0
    assert found.by == ("documented bandwidth" if moving > computing else "documented peak")
    more = roof(Work(2 * products, 2 * moved), peak)
    assert more.cost >= 2 * found.cost * (1 - 1e-12)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_every_workload_that_ships_has_a_bound(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = probe.Gpu("H100", 90, 132, 50 << 20, 1_980_000_000, 3_350_000_000_000)
    monkeypatch.setattr(probe, "gpu", lambda: gpu)
    for workload in load_file(path):
        target = "tensorcore-sm90" if workload.dtypes.input == "float16" else "dlboost"
        made = Task(workload, load(target))
        least, found = work(made.einsum), machine_bound(made, Settings())
        assert isinstance(found, Bound) and least is not None
        rate = 1e9 if target == "dlboost" else 132 * 1.98e9 * 2048
        assert 0 < least.products / rate <= found.cost
        if target == "dlboost":
            assert found == Bound(least.products / 1e9, "measured peak")


@pytest.mark.usefixtures("here")
def test_a_product_of_a_vector_waits_for_memory_beyond_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "gpu", lambda: probe.Gpu("Some", 90, 100, 1 << 20, 10**9, 10**12))
    half = {"input": "float16", "weight": "float16", "accumulate": "float32", "output": "float32"}
    for k, by in ((64, "documented peak"), (1 << 14, "documented bandwidth")):
        found = machine_bound(
            Task(make("gemv", {"m": 4096, "k": k}, dtypes=half), load("tensorcore-sm90")), Settings()
        )
        assert isinstance(found, Bound)
        assert found.by == by
    moved = 2 * 4096 * (1 << 14) + 2 * (1 << 14) + 4 * 4096
    assert found.cost == (moved - (1 << 20)) / 1e12


def test_without_the_machine_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "gpu", lambda: probe.Gpu(reason="no NVIDIA driver is installed"))
    half = {"input": "float16", "weight": "float16", "accumulate": "float32", "output": "float32"}
    made = Task(make("gemm", {"m": 64, "n": 64, "k": 64}, dtypes=half), load("tensorcore-sm90"))
    assert machine_bound(made, Settings()) == "no NVIDIA driver is installed"
    problem = session.problem(made, Settings())
    assert with_machine_bound(problem, made, Settings()) is problem
    with pytest.raises(InputError, match=r"no bound is known for gemm.* on tensorcore-sm90: no NVIDIA"):
        with_machine_bound(problem, made, Settings(gap=0.1))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("kind", [kind for kind in RunnerKind if kind is not RunnerKind.LOCAL])
def test_times_of_other_machines_have_none(kind: RunnerKind) -> None:
    assert "of this machine alone" in str(machine_bound(task(), Settings(runner=kind)))


@pytest.mark.usefixtures("here")
def test_a_model_s_bound_stays() -> None:
    types = {"input": "int8", "weight": "int8", "accumulate": "int32", "output": "int8"}
    made = Task(make("gemm", {"m": 16, "n": 32, "k": 32}, dtypes=types), load("vta"))
    problem = session.problem(made, Settings())
    assert problem.bound is not None and problem.bound.by == "model"
    assert with_machine_bound(problem, made, Settings()) is problem
    unknown = replace(problem, bound=None)
    with pytest.raises(InputError, match=r"the roofline needs a level that fills memories"):
        with_machine_bound(unknown, made, Settings(gap=0.1))


class Runner:
    """Every candidate takes 1.5 times the bound."""

    def run(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, Measurement]]:
        for index, _ in enumerate(candidates):
            yield index, Measurement(Status.OK, 1.5 * SECONDS, 0.01, verified=True)

    def remeasure(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        return [measurement for _, measurement in self.run(candidates)]

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def heron(here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session.tuning, "make_runner", lambda *_: Runner())

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(application, arguments)

    return run


def test_a_run_stops_at_the_gap_of_the_measured_peak(heron: Any) -> None:
    wide = heron("tune", *GEMM, "--stop-at-gap", "60%", "--json", "--db", "a.db")
    assert wide.exit_code == 0, wide.output
    found = json.loads(wide.stdout)
    assert 0 < found["trials"] < 32
    assert (found["lower_bound"], found["bound_by"]) == (SECONDS, "measured peak")
    assert found["best"]["seconds"] == 1.5 * SECONDS
    narrow = heron("tune", *GEMM, "--stop-at-gap", "40%", "--db", "b.db")
    assert re.search(r", 1\.50× the bound of the measured peak; 32 trials", narrow.stdout)


def test_the_reason_is_told_where_there_is_no_bound(heron: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.get("x86"), "peak", lambda task, cores: "no clock")
    refused = heron("tune", *GEMM, "--stop-at-gap", "60%")
    assert refused.exit_code == 2
    assert "--stop-at-gap: no bound is known for gemm" in refused.stderr
    assert "on dlboost: no clock" in refused.stderr
    plain = json.loads(heron("tune", *GEMM, "--json").stdout)
    assert (plain["trials"], plain["lower_bound"], plain["bound_by"]) == (32, None, None)
