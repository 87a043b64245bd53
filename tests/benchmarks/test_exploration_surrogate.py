"""Spaces whose cost is a regression on measured points: what it explains, without what disturbed them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.exploration import dlboost_surrogate, recorded, taught
from benchmarks.exploration.dlboost_surrogate import DlBoostSurrogate
from benchmarks.exploration.regression import Floats, Regression
from benchmarks.exploration.runs import Runs
from benchmarks.exploration.statistics import Run
from heron_cli.measure.stopwatch import Stopwatch
from heron_cli.measure.timing import Timing, TimingOptions
from heron_cli.search.protocol import get_method
from heron_cli.trial import Measurement, Status, Trial

BED = DlBoostSurrogate("dlboost", "gemm 16×4096×1024")


def smooth(points: Floats) -> Floats:
    return np.asarray(np.sin(points[:, 0]) + 0.5 * points[:, 1])


@pytest.mark.parametrize("count", [200, 2300])  # more than what length and noise are chosen on
def test_a_regression_finds_what_is_smooth_and_what_each_term_costs(count: int) -> None:
    rng = np.random.default_rng(1)
    points, load = rng.normal(size=(count, 3)), rng.exponential(size=count)
    labels = 7.0 + smooth(points) + 0.3 * load + 0.05 * rng.normal(size=count)
    fitted = Regression.fit(points, labels, np.stack([np.ones(count), load], axis=1))
    assert fitted.coefficients[1] == pytest.approx(0.3, abs=0.03)
    new = rng.normal(size=(50, 3))
    level = fitted.coefficients[0]
    assert np.abs(fitted.predict(new) + level - 7.0 - smooth(new)).mean() < 0.1  # the load is left out
    assert fitted.explained() > 0.9
    assert len(fitted.labels) == len(fitted.missed) == count - count * 4 // 5
    assert set(fitted.labels) < set(labels)


def test_noise_is_not_explained() -> None:
    rng = np.random.default_rng(2)
    fitted = Regression.fit(rng.normal(size=(300, 3)), rng.normal(size=300))
    assert fitted.explained() < 0.2


@pytest.mark.parametrize(
    ("timing", "pace"),
    [
        (Timing(1e-6, 0.0, 9, 9, pace=1.01), None),
        (Timing(1e-6, 0.0, 9, 9, pace=1.39), 1.39),
        (Timing(1e-6, 0.0, 9, 9, pace=1.39, corrected=True), 1.39),
        (Timing(1e-6, 0.0, 9, 9, pace=2.5, corrected=True), 2.5),
        (Timing(1e-6, 0.0, 9, 9, disturbed=True), None),
        (Timing(1e-6, 0.0, 1, 9, gave_up=True), None),
    ],
)
def test_the_pace_is_what_heron_remarks(timing: Timing, pace: float | None) -> None:
    reason = Stopwatch(TimingOptions()).remark(timing)
    found = Measurement(Status.OK, 1e-6, verified=True, reason=reason)
    assert recorded.pace(found) == pace
    assert found.disturbed == (pace is not None or timing.disturbed)


def test_a_surrogate_ranks_as_the_measured_points_do() -> None:
    points = [
        (variant, values, each.seconds) for variant, mine in BED.points.items() for values, each in mine
    ]
    assert 0 < len(points) < len(BED.recorded)  # disturbed ones are left out
    spaces = {space.name: space for space in BED.problem.variants}
    asked = [
        spaces[variant].candidate(spaces[variant].rows([values])[0]) for variant, values, _ in points[::7]
    ]
    costs = np.array(BED.costs(asked))
    assert np.array_equal(costs, BED.costs(asked))
    seconds = np.array([each for _, _, each in points[::7]])
    assert np.corrcoef(np.log(costs), np.log(seconds))[0, 1] > 0.95
    apart = seconds[:, None] > 1.1 * seconds  # pairs that differ by more than noise: a third of all is alike
    assert (costs[:, None] > costs)[apart].mean() > 0.97
    assert np.abs(np.log(costs * 1e-12 / seconds)).mean() < 0.1
    assert 0.5 < BED.truth.regression.explained() < 1.0


def test_a_search_runs_on_it() -> None:
    history = BED.search("model-random", 0, 32)
    assert len(history) == 32
    assert [trial.measurement.cycles for trial in history] == BED.costs([each.candidate for each in history])


def test_the_section_is_written_from_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dlboost_surrogate.section(tmp_path)[-1] == "No runs."
    monkeypatch.setattr(dlboost_surrogate, "beds", lambda: [BED])
    monkeypatch.setattr(taught, "METHODS", ("cga", "model-random"))
    monkeypatch.setattr(taught, "SEEDS", 1)
    runs = Runs(tmp_path / "dlboost-surrogate.jsonl")
    for method, costs in (("cga", (2000, 1000)), ("cga-unseeded", (2000, 1000)), ("random", (4000, 2000))):
        runs.add(Run(BED.name, method, 0, 2, costs))
    text = "\n".join(dlboost_surrogate.section(tmp_path))
    assert text.startswith(f"{dlboost_surrogate.TITLE}\n")
    assert f"| {BED.layer} | {len(BED.recorded)} | {len(BED.truth.regression.points)} |" in text
    assert "needs 1/2.0: **missed**" in text  # random: 4 for never, cga: 2
    assert "0 of 2 |" in text
    assert "1e-09 s" in text
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {BED.layer} | 6 |")]
    early, late = (float(value) for value in row.split("|")[4].split(","))  # uniform rows for the first batch
    assert 0.5 < early <= late + 0.1 < 1.1


def test_after_the_first_batch_seeds_must_convince_the_model() -> None:
    problem = DlBoostSurrogate("dlboost", "conv2d 28² 128→128").problem
    seeds = {variant.candidate(row) for variant in problem.variants for row in variant.rows(variant.seeds)}
    placed: dict[str, list[int]] = {}
    for method in ("cga", "ga-repair", "cga-placed"):
        proposer, history = get_method(method)(problem, 0), list[Trial]()
        for number in range(2):
            batch = proposer.propose(16, history, number)
            placed.setdefault(method, []).append(sum(each in seeds for each in batch))
            # a machine on which the seeds are bad
            history += [
                Trial(each, Measurement(Status.OK, cycles=9 if each in seeds else 3)) for each in batch
            ]
    assert placed["cga-placed"] == [12, 12]
    for method in ("cga", "ga-repair"):
        assert placed[method][0] == 12
        assert placed[method][1] < 6
