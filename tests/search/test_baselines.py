"""The methods that CGA is compared with must be worth comparing with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from heron_cli.records import Store
from heron_cli.search.cost_model import CostModel
from heron_cli.search.driver import tune
from heron_cli.search.methods.ga_penalty import stochastic_order
from heron_cli.search.methods.sa import _move
from heron_cli.search.problem import Rows
from heron_cli.search.protocol import get_method
from heron_cli.search.result import Budget
from heron_cli.trial import Trial

from .toy import FakeRunner, cost, problem, variant

MODEL_BASED = ["cga-random-keys", "ga-penalty", "ga-repair", "model-random", "sa"]


def best_cost(method: str, seed: int) -> float:
    space = variant()
    result = tune(problem(space), method, FakeRunner([space]), Store.in_memory(), Budget(128), seed, batch=32)
    assert result.best is not None
    return float(cost(space.rows([result.best.trial.candidate.values]))[0])


@pytest.mark.slow
@pytest.mark.parametrize("method", MODEL_BASED)
def test_each_beats_constrained_random_on_every_seed(method: str) -> None:
    for seed in range(3):
        assert best_cost(method, seed) < best_cost("random", seed)


@pytest.mark.parametrize("method", ["cga", *MODEL_BASED])
def test_all_but_random_search_start_from_the_same_seeds(method: str) -> None:
    rows = variant().sampler.sample(3, np.random.default_rng(9))
    seeds = [variant().candidate(row).values for row in rows]
    proposed = get_method(method)(problem(variant(seeds=seeds)), 0).propose(16, [], 0)
    assert ([candidate.values for candidate in proposed[:3]] == seeds) == (method != "model-random")


def history() -> list[Trial]:
    space = variant()
    candidates = [space.candidate(row) for row in space.sampler.sample(24, np.random.default_rng(1))]
    runner = FakeRunner([space])
    return [Trial(candidate, runner.measure(candidate)) for candidate in candidates]


@pytest.mark.parametrize("method", ["cga", *MODEL_BASED])
def test_all_have_equally_many_rows_predicted(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    predict = CostModel.predict

    def counting(model: CostModel, rows: Rows) -> Any:
        counts.append(len(rows))
        return predict(model, rows)

    monkeypatch.setattr(CostModel, "predict", counting)
    get_method(method)(problem(), 0).propose(16, history(), 1)
    assert 1900 <= sum(counts) <= 2032  # 24 best measured join; equal children are predicted once


def test_random_keys_do_not_ask_the_model_which_knob_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        def knob_importance(self) -> object:
            return np.arange(10.0)

    rng = np.random.default_rng(0)
    ours, ablation = (get_method(name)(problem(), 0) for name in ("cga", "cga-random-keys"))
    assert ours.keys(Model(), rng) == list(range(9, -1, -1))  # type: ignore[attr-defined]
    drawn = [ablation.keys(Model(), rng) for _ in range(9)]  # type: ignore[attr-defined]
    assert all(sorted(keys) == list(range(10)) for keys in drawn)
    assert len({tuple(keys) for keys in drawn}) == 9


def test_stochastic_ranking_sorts_valid_rows_by_cost() -> None:
    costs = np.random.default_rng(0).random(50)
    order = stochastic_order(costs, np.zeros(50), np.random.default_rng(1))
    assert order.tolist() == np.argsort(costs).tolist()


def test_stochastic_ranking_puts_most_invalid_rows_last_but_not_all() -> None:
    rng = np.random.default_rng(0)
    violations = np.repeat([0.0, 1.0], 50)
    costs = np.where(violations > 0, rng.random(100) - 1, rng.random(100))  # the invalid look faster
    ahead = [
        int((violations[stochastic_order(costs, violations, np.random.default_rng(n))[:30]] > 0).sum())
        for n in range(20)
    ]
    assert 0 < np.mean(ahead) < 12


def test_a_move_is_valid_and_changes_a_knob_and_at_most_one_that_follows() -> None:
    space = variant()
    rng = np.random.default_rng(0)
    rows = space.sampler.sample(300, rng)
    values = [np.array(knob.values) for knob in space.space.knobs]
    moved = _move(space, rows, values, rng)
    assert space.admits(moved).all()
    changed = moved != rows
    assert changed.sum(axis=1).max() == 2
    assert changed.any(axis=1).mean() > 0.8
    assert changed.any(axis=0).all(), "knobs tied by an equation move, too"
