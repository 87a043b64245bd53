from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from heron_cli.search.cost_model import MINIMUM_TRIALS, CostModel, named_features
from heron_cli.search.problem import Rows, VariantSpace
from heron_cli.trial import Measurement, Status, Trial

from .toy import NAMES, cost, variant

VARIANT = variant()


def rows(n: int, seed: int = 0) -> Rows:
    return VARIANT.sampler.sample(n, np.random.default_rng(seed))


def trials(table: Rows, variant: VariantSpace = VARIANT) -> list[Trial]:
    seconds = cost(table)
    return [
        Trial(variant.candidate(row), Measurement(Status.OK, float(second), verified=True))
        for row, second in zip(table, seconds, strict=True)
    ]


def test_it_ranks_what_it_has_not_seen() -> None:
    model = CostModel.fit(VARIANT, trials(rows(128)))
    assert model is not None
    unseen = rows(500, seed=1)
    predicted, true = model.predict(unseen), np.log(cost(unseen))
    assert np.corrcoef(predicted, true)[0, 1] > 0.8
    assert true[np.argsort(predicted)[:50]].mean() < true.mean() - 0.7 * true.std()


def test_equal_trials_give_equal_predictions() -> None:
    table = rows(40)
    one, other = CostModel.fit(VARIANT, trials(table), 5), CostModel.fit(VARIANT, trials(table), 5)
    assert one is not None and other is not None
    assert np.array_equal(one.predict(rows(100, 2)), other.predict(rows(100, 2)))


def test_an_estimate_is_corrected_not_learned_anew() -> None:
    def half_blind(table: Rows) -> Any:
        return 1e9 * cost(table) / (1.0 + (table[:, 8] >= 3))  # does not know what the order costs

    table, unseen = rows(24), rows(500, seed=1)
    known = replace(VARIANT, estimate=half_blind)
    correlations = []
    for space in (VARIANT, known):
        model = CostModel.fit(space, trials(table, space))
        assert model is not None
        correlations.append(np.corrcoef(model.predict(unseen), np.log(cost(unseen)))[0, 1])
    assert correlations[1] > max(0.9, correlations[0])


def test_too_little_to_learn_from() -> None:
    assert CostModel.fit(VARIANT, trials(rows(MINIMUM_TRIALS - 1))) is None
    failed = [Trial(VARIANT.candidate(row), Measurement(Status.TIMEOUT)) for row in rows(50)]
    assert CostModel.fit(VARIANT, failed) is None


def test_failures_count_as_worst() -> None:
    table = rows(200)
    measured = [
        Trial(each.candidate, Measurement(Status.BUILD_ERROR)) if row[8] >= 3 else each
        for row, each in zip(table, trials(table), strict=True)
    ]
    model = CostModel.fit(VARIANT, measured)
    assert model is not None
    unseen = rows(300, seed=1)
    predicted = model.predict(unseen)
    assert predicted[unseen[:, 8] >= 3].min() > np.quantile(predicted[unseen[:, 8] < 3], 0.9)


def test_a_lost_device_teaches_nothing() -> None:
    table = rows(60)
    known = trials(table[:40])
    lost = [Trial(VARIANT.candidate(row), Measurement(Status.DEVICE_LOST)) for row in table[40:]]
    one, other = CostModel.fit(VARIANT, known), CostModel.fit(VARIANT, known + lost)
    assert one is not None and other is not None
    assert np.array_equal(one.predict(table), other.predict(table))


def test_importance_is_of_knobs_and_finds_the_one_that_matters() -> None:
    table = rows(200)
    seconds = 2.0 ** table[:, 8]
    told = [
        Trial(VARIANT.candidate(row), Measurement(Status.OK, float(second)))
        for row, second in zip(table, seconds, strict=True)
    ]
    model = CostModel.fit(VARIANT, told)
    assert model is not None
    importance = model.knob_importance()
    assert importance.shape == (len(NAMES),)
    assert importance.argmax() == NAMES.index("order")


def test_features_are_finite_for_any_value() -> None:
    odd = VariantSpace(
        "odd", VARIANT.space, VARIANT.sampler, lambda r: (np.full((len(r), 2), np.inf), ("a", "b"))
    )
    table = np.full((3, len(NAMES)), -(2**40), dtype=np.int64)
    table[1] = 0
    named = named_features(odd, table)
    assert list(named) == [*(f"knob.{name}" for name in NAMES), "a", "b", "variant.odd"]
    features = np.stack(list(named.values()), axis=1)
    assert features.shape == (3, len(NAMES) + 3) and np.isfinite(features).all()
    assert (features[0, : len(NAMES)] < -39).all() and (features[1, : len(NAMES)] == 0).all()


def test_variants_teach_each_other() -> None:
    """Eight trials of one variant are enough for a model of another, and the other's own trials count too."""
    other = replace(VARIANT, name="other")
    told = trials(rows(64))
    models = CostModel.fit_all([VARIANT, other], told)
    assert set(models) == {VARIANT.name, "other"}
    unseen = rows(300, seed=1)
    assert np.corrcoef(models["other"].predict(unseen), np.log(cost(unseen)))[0, 1] > 0.7
    slow = [
        Trial(other.candidate(row), Measurement(Status.OK, 100 * float(each)))
        for row, each in zip(rows(32, 3), cost(rows(32, 3)), strict=True)
    ]
    both = CostModel.fit_all([VARIANT, other], [*told, *slow])
    assert both["other"].predict(unseen).mean() > both[VARIANT.name].predict(unseen).mean() + 1
