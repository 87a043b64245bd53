from __future__ import annotations

import sys
from dataclasses import replace
from statistics import geometric_mean

import numpy as np
import pytest

from heron_cli.records import Store
from heron_cli.search.driver import tune
from heron_cli.search.model_guided import SEED_SHARE
from heron_cli.search.protocol import get_method
from heron_cli.search.result import Budget, TuneResult
from heron_cli.trial import Trial

from .toy import FakeRunner, cost, problem, variant

SEEDS = range(5)


def run(method: str, seed: int, trials: int = 128, **slower: float) -> TuneResult:
    variants = [variant(name) for name in slower] or [variant()]
    return tune(
        problem(*variants), method, FakeRunner(variants, slower), Store.in_memory(), Budget(trials), seed
    )


def best_cost(result: TuneResult) -> float:
    assert result.best is not None
    return float(cost(variant().rows([result.best.trial.candidate.values]))[0])


def test_it_beats_constrained_random_on_every_seed_and_its_own_first_population(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everything = variant().sampler.everything()  # type: ignore[attr-defined]
    assert len(everything) > 200_000
    optimum = float(cost(everything).min())
    cga = [best_cost(run("cga", seed)) / optimum for seed in SEEDS]
    random = [best_cost(run("random", seed)) / optimum for seed in SEEDS]
    assert all(ours < theirs for ours, theirs in zip(cga, random, strict=True)), (cga, random)
    assert geometric_mean(cga) < 1.15 < 1.4 < geometric_mean(random), (cga, random)
    monkeypatch.setattr(sys.modules[get_method("cga").__module__], "GENERATIONS", 0)
    ranked = [best_cost(run("cga", seed)) / optimum for seed in SEEDS]
    assert geometric_mean(cga) < geometric_mean(ranked), (cga, ranked)


def test_most_trials_go_to_the_better_variant() -> None:
    result = run("cga", 0, trials=96, slow=3.0, fast=1.0)
    counts = [record.trial.candidate.variant for record in result.records]
    assert counts.count("fast") > 2 * counts.count("slow") > 0
    assert result.best is not None and result.best.trial.candidate.variant == "fast"


def test_seeds_are_tried_first_and_once() -> None:
    rows = variant().sampler.sample(3, np.random.default_rng(9))
    seeds = [variant().candidate(row).values for row in rows]
    seeded = variant(seeds=[*seeds, seeds[0]])
    method = get_method("cga")(problem(seeded), 0)
    proposed = method.propose(16, [], 0)
    assert [candidate.values for candidate in proposed[:3]] == seeds
    assert len(set(proposed)) == 16
    runner = FakeRunner([seeded])
    history = [Trial(candidate, runner.measure(candidate)) for candidate in proposed]
    assert not set(method.propose(16, history, 1)) & set(proposed)


@pytest.mark.parametrize(("name", "refined"), [("cga", 0.25), ("ga-repair", 0.25), ("model-random", 0.5)])
def test_where_kinds_are_told_apart_most_of_a_batch_is_of_new_ones(name: str, refined: float) -> None:
    space = replace(variant(), kind=lambda table: table[:, :8], refined=refined)
    method = get_method(name)(problem(space), 0)
    history: list[Trial] = []
    runner = FakeRunner([space], {})
    for number in range(4):
        batch = method.propose(16, history, number)
        before = set(space.kinds(space.rows([trial.candidate.values for trial in history])))
        kinds = space.kinds(space.rows([candidate.values for candidate in batch]))
        if number:  # the first round has no model
            new = [kind for kind in kinds if kind not in before]
            assert len(set(new)) >= 16 * (1 - refined)
        history += [Trial(candidate, runner.measure(candidate)) for candidate in batch]


def test_seeds_never_take_the_whole_batch() -> None:
    rows = variant().sampler.sample(40, np.random.default_rng(9))
    seeded = variant(seeds=[variant().candidate(row).values for row in rows])
    proposed = get_method("cga")(problem(seeded), 0).propose(16, [], 0)
    known = {tuple(row) for row in rows.tolist()}
    assert sum(tuple(seeded.rows([c.values])[0].tolist()) in known for c in proposed) == round(
        SEED_SHARE * 16
    )


@pytest.mark.parametrize("name", ["cga", "ga-repair", "sa"])
def test_after_the_first_batch_seeds_are_measured_where_the_model_likes_them(name: str) -> None:
    everything = variant().sampler.everything()  # type: ignore[attr-defined]
    order = np.argsort(cost(everything), kind="stable")
    drawn = [variant().candidate(row) for row in variant().sampler.sample(64, np.random.default_rng(9))]
    runner = FakeRunner([variant()])
    history = [Trial(each, runner.measure(each)) for each in drawn]
    for rows, liked in ((everything[order[:300]], True), (everything[order[-300:]], False)):
        seeds = [variant().candidate(row) for row in rows]
        seeded = replace(variant(seeds=[each.values for each in seeds]), estimate=cost)
        method = get_method(name)(problem(seeded), 0)
        assert sum(each in seeds for each in method.propose(16, [], 0)) >= 12
        assert any(each in seeds for each in method.propose(16, history, 1)) == liked


def test_while_there_is_no_model_seeds_are_measured() -> None:
    rows = variant().sampler.sample(30, np.random.default_rng(9))
    seeds = [variant().candidate(row) for row in rows]
    seeded, history = variant(seeds=[each.values for each in seeds]), list[Trial]()
    method, runner = get_method("cga")(problem(seeded), 0), FakeRunner([seeded])
    for number in range(2):  # four trials each; a model takes eight
        batch = method.propose(4, history, number)
        assert sum(each in seeds for each in batch) == 3
        history += [Trial(each, runner.measure(each)) for each in batch]


def test_a_variant_that_was_not_tried_has_its_seeds_measured() -> None:
    rows = variant().sampler.sample(8, np.random.default_rng(9))
    assignments = [variant().candidate(row).values for row in rows]
    first, second = variant("first"), variant("second", seeds=assignments)
    runner = FakeRunner([first, second])
    found = get_method("cga")(problem(first), 0).propose(32, [], 0)
    history = [Trial(each, runner.measure(each)) for each in found]
    proposed = get_method("cga")(problem(first, second), 0).propose(16, history, 1)
    mine = [each.values for each in proposed if each.variant == "second"]
    count = round(SEED_SHARE * len(mine))
    assert count and [dict(each) for each in mine[:count]] == [dict(each) for each in assignments[:count]]
