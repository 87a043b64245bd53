"""The benchmark of VTA: what is kept, what is made again, and what the page says of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.vta import cases, report, work
from benchmarks.vta.cycles import Cycles, Rows, mac_bound
from benchmarks.vta.hand import hand
from benchmarks.vta.work import Work, do, run_of
from heron_cli.operators.workload import Workload, make
from heron_cli.space import TableSampler


@pytest.fixture
def workload() -> Workload:
    return make("gemm", {"m": 32, "n": 32, "k": 32}, name="tiny", dtypes=cases.TYPES)


def drawn(cycles: Cycles, count: int) -> Rows:
    return TableSampler(cycles.variant.space).sample(count, np.random.default_rng(0))


def test_cycles_are_kept_and_believed_only_if_they_are_the_models(workload: Workload, tmp_path: Path) -> None:
    with Cycles("vta", workload, tmp_path) as cycles:
        rows = drawn(cycles, 20)
        found = cycles.of(rows)
    assert found == cycles.modelled(rows)
    (file,) = (tmp_path / "cycles").iterdir()
    table = np.load(file)
    assert len(table) == len(np.unique(rows, axis=0))
    kept = Cycles("vta", workload, tmp_path)
    assert kept.known == len(table)
    table[:, -1] += 1
    np.save(file, table)
    assert Cycles("vta", workload, tmp_path).known == 0


def test_no_cycles_are_below_the_bound(workload: Workload, tmp_path: Path) -> None:
    cycles = Cycles("vta", workload, tmp_path)
    assert mac_bound(cycles) == 32 * 2 * 2
    assert min(cycles.of(drawn(cycles, 50))) > mac_bound(cycles)


@pytest.mark.parametrize(("machine", "name"), [("vta", "C12"), ("vta-small", "C12"), ("vta", "gemm 1024³")])
def test_the_hand_schedule_fits(machine: str, name: str, tmp_path: Path) -> None:
    cycles = Cycles(machine, cases.workloads()[name], tmp_path)
    values = hand(cycles)
    assert cycles.variant.evaluator.violations(values) == []
    assert values[f"thread.{'j' if 'gemm' in name else 'o'}"] == 2


def test_work_is_done_once_and_the_page_says_what_is_missing(
    workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "workloads", lambda: {"tiny": workload})
    monkeypatch.setattr(cases, "NARROW", ("tiny",))
    monkeypatch.setattr(cases, "COMPARED", ("tiny",))
    monkeypatch.setattr(work, "sample", lambda cycles: work_sample(cycles, 40))
    searched = Work("search", "vta", "tiny", "random", 2, cases.BUDGET)
    bars = Work("search", "vta", "tiny", "cga", 2, cases.BUDGET)
    assert "not measured" in report.render(tmp_path, 2)
    do(Work("sample", "vta", "tiny"), tmp_path)
    assert "of the bound" in do(bars, tmp_path)
    first = [run_of(bars, seed, tmp_path) for seed in range(2)]
    assert all(run is not None and len(run["cycles"]) == cases.BUDGET for run in first)
    monkeypatch.setattr(work, "search", lambda *_: pytest.fail("searched again"))
    do(bars, tmp_path)
    assert run_of(searched, 0, tmp_path) is None
    page = report.render(tmp_path, 2)
    best = np.median([min(run["cycles"]) for run in first if run is not None])
    assert f"| tiny | 128 | {best:,.0f} |" in page
    assert "seeds yet: tiny" not in page
    assert "seeds yet: tiny" in report.render(tmp_path, 3)


def work_sample(cycles: Cycles, count: int) -> object:
    from benchmarks.vta.sampling import sample

    return sample(cycles, count)


def test_bars_are_judged(workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "workloads", lambda: {"tiny": workload})
    monkeypatch.setattr(cases, "NARROW", ("tiny",))
    monkeypatch.setattr(cases, "COMPARED", ())
    samples = {"bound": 850, "best": 975, "median": 5000.0, "count": 9, "rate": 7.0, "hand": 1100}
    file = tmp_path / "samples" / "vta-tiny.json"
    file.parent.mkdir()
    file.write_text(json.dumps(samples))
    run = tmp_path / f"runs-{work.code()}" / "vta-tiny-cga-50-0.json"
    run.parent.mkdir()
    run.write_text(json.dumps({"cycles": [2000, 1000]}))
    page = report.render(tmp_path, 1)
    assert "of the MAC bound | 0.850 | met |" in page
    assert "least: 0.975 (tiny) | **missed** |" in page
    assert "least: 7 (tiny) | **missed** |" in page
