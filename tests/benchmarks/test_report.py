from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import dlboost_first, ours, report
from benchmarks.cases import AWKWARD, CASES, GEMM, GROUPS
from benchmarks.dlboost_first import Study
from benchmarks.duel import Duel
from benchmarks.native import BenchmarkError
from benchmarks.report import Results, failed_bars, render
from benchmarks.timing import Burst, Comparison


def duel(ratio: float, exact: bool = True) -> Duel:
    bursts = tuple(Burst(1e-4, 1e-4) for _ in range(5))
    slower = tuple(Burst(1e-4 * ratio, 1e-4 * ratio) for _ in range(5))
    return Duel("brg:x", 10**8, True, exact, 2000.0, (Comparison(slower, bursts),) * 2)


def complete(ratio: float) -> Results:
    results = Results(machine={"CPU": "a CPU"}, budget="128 trials")
    for case in CASES:
        results.duels[case.name] = [duel(ratio), duel(ratio)]
        results.null[case.name] = [duel(1.0)]
        spent = {"solve": 1.0, "build": 4.0, "measure": 2.0, "model": 1.0}
        results.tunings[case.name] = ours.Tuning(128, 126, 2, 10.0, spent, 1e-4, "tails")
    return results


def test_the_bars_of_the_issue() -> None:
    assert [(group.geomean, group.least) for group in GROUPS] == [(1.00, 0.96), (1.03, 0.98), (0.95, 0.85)]
    assert [sum(case.group is group for case in CASES) for group in GROUPS] == [5, 4, 7]


def test_nothing_is_missed_above_the_bars() -> None:
    assert failed_bars(complete(1.05)) == []
    assert "All bars are met." in render(complete(1.05))


def test_a_geometric_mean_below_its_bar() -> None:
    missed = failed_bars(complete(1.01))
    assert missed == [f"{AWKWARD.name}: geometric mean 1.010, bar 1.03"]
    assert missed[0] in render(complete(1.01))


def test_one_workload_below_its_bar() -> None:
    results = complete(1.2)
    name = next(case.name for case in CASES if case.group is GEMM)
    results.duels[name] = [duel(0.9)]
    assert failed_bars(results) == [f"{name}: 0.900, bar 0.96"]


def test_a_wrong_result_and_a_missing_kernel_are_missed_bars() -> None:
    results = complete(1.2)
    first, second = CASES[0].name, CASES[1].name
    results.duels[first].append(duel(1.2, exact=False))
    del results.duels[second]
    results.failures[second] = "no valid trial"
    assert failed_bars(results) == [f"{second}: not measured", f"{first}: heron's result is wrong"]
    page = render(results)
    assert f"| {second} | no valid trial |" in page
    assert "**no**" in page


def test_the_interval_is_over_placements() -> None:
    placements = [duel(ratio).placements[0] for ratio in (0.9, 1.0, 1.3)]
    found = report.ratio([replace(duel(1.0), placements=tuple(placements))])
    assert (found.low, found.median, found.high) == pytest.approx((0.9, 1.0, 1.3))


def test_tuning_shares_and_rates() -> None:
    results = complete(1.2)
    results.rejected = {"build-error: too many registers": 3, "timeout: 2 s": 1}
    page = render(results)
    assert "| 128 | 2 | 10 | 768 | 10 % | 40 % | 20 % | 10 % | 20 % | tails |" in page
    assert "Invalid candidates: 32 of 2048." in page
    assert page.index("3 × build-error: too many registers") < page.index("1 × timeout: 2 s")


def options(work: Path) -> argparse.Namespace:
    return argparse.Namespace(work=work, out=work / "page.md", trials=4, time=1.0, seed=0, seeds=1)


def test_a_study_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tuned: list[str] = []

    def tune(case: object, *_: object, **__: object) -> ours.Tuning:
        name = str(case.name)  # type: ignore[attr-defined]
        tuned.append(name)
        if name == CASES[1].name and len(tuned) == 2:
            raise BenchmarkError("exit code 4")
        return ours.Tuning(4, 4, 0, 1.0)

    monkeypatch.setattr(ours, "tune", tune)
    monkeypatch.setattr(ours, "records", lambda db: [{"status": "timeout", "reason": "2 s"}])
    study = Study(options(tmp_path))
    study.tune(list(CASES[:3]))
    assert study.results.failures == {CASES[1].name: "exit code 4"}
    again = Study(options(tmp_path))
    again.tune(list(CASES[:3]))
    assert tuned[3:] == [CASES[1].name]
    assert again.results.failures == {}
    assert again.results.rejected == {"timeout: 2 s": 1}


def test_results_survive_the_way_to_disk(tmp_path: Path) -> None:
    study = Study(options(tmp_path))
    study.results = complete(1.05)
    study.results.runs = [report.Run("x", "cga", 0, 2.5, (1e-3, None, 5e-4))]
    study._save()
    again = dlboost_first._read(study.state)
    assert again == study.results
    assert again.duels[CASES[0].name][0] == duel(1.05)
