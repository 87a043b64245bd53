"""The comparison of search methods: its arithmetic, its table, and that the table answers like a device."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.exploration import tables, validity
from benchmarks.exploration.beds import Bed
from benchmarks.exploration.contestants import ANALYTIC
from benchmarks.exploration.curves import curves
from benchmarks.exploration.report import MEASURED_ALONE, bars, best_known, needed
from benchmarks.exploration.runs import Runs, compare, costs_of
from benchmarks.exploration.statistics import Run, geomean, paired, quartiles, trials_to
from heron_cli import session
from heron_cli.records import Purpose, Record, Store, current_versions
from heron_cli.search.driver import tune
from heron_cli.search.protocol import get_method
from heron_cli.search.replay import ReplayRunner
from heron_cli.search.result import Budget
from heron_cli.trial import Candidate, Measurement, Status, Trial


def run(*costs: float, budget: int = 8, seed: int = 0) -> Run:
    return Run("bed", "cga", seed, budget, costs)


def test_trials_to_a_share() -> None:
    assert trials_to(run(4.0, 2.0, 1.0), best=1.0, share=0.5) == 2
    assert trials_to(run(4.0, 2.0, 1.0), best=1.0, share=0.95) == 3
    assert trials_to(run(4.0, 2.0), best=1.0, share=0.95) == 16  # twice the budget
    assert run(3.0, math.inf, 2.0).best_after(2) == 3.0


def test_summaries() -> None:
    assert geomean([1.0, 4.0]) == pytest.approx(2.0)
    assert quartiles([run(2.0), run(1.0), run(4.0)], 1.0, 1) == pytest.approx((0.375, 0.5, 0.75))
    assert paired([1.0, 2.0], [1.0, 2.0]) == 1.0
    assert paired(list(range(2, 22)), list(range(1, 21))) < 1e-3


def test_the_best_known_is_what_was_known_before_or_found_by_a_run() -> None:
    runs = [run(4.0, 2.0, seed=0), run(3.0, seed=1)]
    assert best_known(runs, {"bed": 1}) == {"bed": 1.0}
    assert best_known(runs, {"bed": 5}) == best_known(runs, {"bed": None}) == {"bed": 2.0}


def test_methods_with_equal_numbers_share_a_row() -> None:
    found = {"cga": (2.0, 1.0), "sa": (2.0, 1.0), "random": (4.0, 2.0), "model-random-blind": (3.0, 2.0)}
    runs = [Run("bed", method, seed, 2, costs) for method, costs in found.items() for seed in range(3)]
    table = needed(runs, {"bed": 1.0}, tuple(found))
    assert table[2] == "| cga, sa | 2.0 | 2.0 | 1.00 |  | 2.0 | 1.00 |  |"
    assert table[3].startswith("| random, model-random-blind | 4.0 (3/3 never) | 4.0 | 2.00 |")
    lines = curves(runs, {"bed": 1.0}, tuple(found), {"bed": 1})
    assert lines[2:4] == [
        "| bed | cga, sa | 0.500 (0.50–0.50) | 1.000 (1.00–1.00) |",
        "| bed | random | 0.250 (0.25–0.25) | 0.500 (0.50–0.50) |",
    ]
    assert lines[-1] == "Best known: bed 1 s (of the whole space)."
    (line,) = bars(runs, {"bed": 1.0}, others=MEASURED_ALONE)
    assert line.endswith("at most 1/2 of the trials of `model-random-blind` and needs 1/2.0: met.")


def test_what_learns_from_measurements_alone_is_told_nothing_else() -> None:
    bed = Bed(*tables.TABLES[-1])
    (known,) = bed.problem.variants
    (blind,) = get_method("model-random-blind")(bed.problem, 0).problem.variants
    rows = known.sampler.sample(4, np.random.default_rng(0))
    kept, names = blind.features(rows)
    every, all_names = known.features(rows)
    assert any(name.startswith(ANALYTIC) for name in all_names)
    assert names and not any(name.startswith(ANALYTIC) for name in names)
    assert (kept == every[:, [list(all_names).index(name) for name in names]]).all()
    assert known.seeds and known.estimate is not None
    assert (blind.estimate, blind.kind, blind.seeds) == (None, None, ())


def test_kept_runs_that_the_present_code_does_not_repeat_are_done_again(tmp_path: Path) -> None:
    bed, path = Bed(*tables.TABLES[-1]), tmp_path / "runs.jsonl"
    true = {seed: costs_of(bed.search("random", seed, 16)) for seed in range(2)}
    for altered in (False, True):
        runs = Runs(path)
        for seed, costs in true.items():
            runs.add(Run(bed.name, "random", seed, 16, (costs[0] + altered, *costs[1:])))
        runs.add(Run("another", "random", 0, 16, (1.0,)))
        compare(Runs(path), bed, ["random"], 2, 16)
        kept = {run.seed: run.costs for run in Runs(path).all if run.bed == bed.name}
        assert kept == true
        assert len(Runs(path).all) == 3
        path.unlink()


def test_the_tables_are_of_the_present_spaces_and_model() -> None:
    for machine, layer in tables.TABLES:
        table = tables.read(machine, layer)
        assert len(table.rows) == len(table.cycles) > 10_000


def test_heron_tune_replays_the_table_as_the_comparison_does() -> None:
    bed = Bed(*tables.TABLES[-1])
    (variant,) = bed.problem.variants
    candidates = [variant.candidate(row) for row in tables.read(bed.machine, bed.layer).rows]
    costs = bed.costs(candidates)
    recorded = [record(bed, *pair, place) for place, pair in enumerate(zip(candidates, costs, strict=True))]
    with Store.in_memory() as store:
        runner = ReplayRunner(recorded)
        result = tune(bed.problem, "cga", runner, store, Budget(trials=32), seed=3)
    history = bed.search("cga", 3, 32)
    replayed = [each.trial.measurement.cycles for each in result.records]
    assert replayed[: len(history)] == [trial.measurement.cycles for trial in history]
    assert bed.optimum is not None
    assert result.best is not None and result.best.cost is not None
    assert bed.optimum <= result.best.cost <= 1.5 * bed.optimum


def record(bed: Bed, candidate: Candidate, cycles: int, position: int) -> Record:
    measurement = Measurement(Status.OK, cycles=cycles, verified=True)
    return Record(
        workload=bed.task.key,
        definition=session.definition(bed.task.workload),
        operator="conv2d",
        target=bed.machine,
        target_digest=bed.task.accelerator.digest,
        threads=1,
        trial=Trial(candidate, measurement),
        seed=0,
        method="table",
        versions=current_versions(),
        created="2026-11-25T20:00:00.000000+00:00",
        purpose=Purpose.TRIAL,
        position=position,
    )


def test_validity_beside_the_peer_is_read_from_what_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert validity.built()[0] == validity.TITLE  # the recorded file is in the repository
    path = tmp_path / "validity.json"
    monkeypatch.setattr(validity, "RECORDED", path)
    assert validity.built() == []
    share = {"value": 0.25, "low": 0.2, "high": 0.3}
    drawn = {"passed": 10, "refused": {"VerifyGPUCode": 90}, "built": 4, "failed": {"nvcc: no": 1}}
    heron = {"passed": 8, "refused": {}, "built": 8, "failed": {}}
    knobs = {"unconstrained": share, "children": share, "repaired": share, "ours": {**share, "value": 1.0}}
    path.write_text(json.dumps({"x": {"knobs": knobs, "uniform": drawn, "heron": heron}, "y": {}}))
    text = "\n".join(validity.built())
    assert (
        "| x | 25.00% | 25.00% | **7.5%** (10.0% of 100 pass, 75% of 4 build) |  | 100.00% | 8 of 8 |" in text
    )
    assert "| y |  |  |  |  |  |  |" in text
    assert "* 1 × nvcc: no" in text


def test_shares_of_valid_rows_are_over_all_variants() -> None:
    shares = validity.shares_of(Bed(*tables.TABLES[-1]).task, Bed(*tables.TABLES[-1]).problem)
    assert shares["ours"].value == shares["repaired"].value == 1.0
    assert 0 < shares["unconstrained"].value < shares["children"].value < 1
