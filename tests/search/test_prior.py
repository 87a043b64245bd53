"""What other workloads' trials are worth to a new one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from heron_cli.search.cost_model import MINIMUM_TRIALS, CostModel
from heron_cli.search.prior import Prior, PriorError, train
from heron_cli.search.problem import VariantSpace
from heron_cli.search.protocol import get_method
from heron_cli.trial import Measurement, Status, Trial

from .toy import FakeRunner, cost, problem, variant

SHAPES = [(128, 384, 512), (256, 192, 256), (384, 256, 384)]
NEW = variant(m=256, n=384, k=512)


def trials(space: VariantSpace, count: int, seed: int = 0) -> list[Trial]:
    rows = space.sampler.sample(count, np.random.default_rng(seed))
    runner = FakeRunner([space])
    return [Trial(each, runner.measure(each)) for each in map(space.candidate, rows)]


def told(count: int = 80) -> dict[str, list[tuple[VariantSpace, list[Trial]]]]:
    found = {}
    for m, n, k in SHAPES:
        space = variant(m=m, n=n, k=k)
        found[f"gemm {m}"] = [(space, trials(space, count, m))]
    return found


@pytest.fixture(scope="module")
def prior() -> Prior:
    made = train("gemm", "toy", "digest", told())
    assert made is not None
    return made


def rank(predicted: np.ndarray, truth: np.ndarray) -> float:
    a, b = (np.argsort(np.argsort(each)) for each in (predicted, truth))
    return float(np.corrcoef(a, b)[0, 1])


def test_it_ranks_a_shape_it_never_saw(prior: Prior) -> None:
    rows = NEW.sampler.sample(500, np.random.default_rng(5))
    assert rank(prior.predict(NEW, rows), cost(rows)) > 0.6


def test_with_a_prior_there_is_a_model_before_the_first_trial(prior: Prior) -> None:
    warm = replace(NEW, prior=prior)
    assert CostModel.fit(NEW, []) is None
    model = CostModel.fit(warm, [])
    assert model is not None
    rows = NEW.sampler.sample(50, np.random.default_rng(6))
    half = (prior.predict(NEW, rows) + np.log(NEW.base(rows))) / 2
    assert np.allclose(model.predict(rows), half)
    assert model.members(rows).shape == (1, 50)
    assert len(model.knob_importance()) == len(NEW.names)


def test_prior_and_estimate_count_alike(prior: Prior) -> None:
    warm = replace(NEW, prior=prior, estimate=lambda rows: 100.0 + rows[:, 0])
    rows = NEW.sampler.sample(50, np.random.default_rng(6))
    model = CostModel.fit(warm, [])
    assert model is not None
    expected = np.sqrt(np.exp(prior.predict(warm, rows)) * warm.base(rows))
    assert np.allclose(np.exp(model.predict(rows)), expected)


def test_trials_correct_the_prior(prior: Prior) -> None:
    warm = replace(NEW, prior=prior)
    known = trials(NEW, 64, 7)
    rows = NEW.sampler.sample(500, np.random.default_rng(8))
    model = CostModel.fit(warm, known)
    assert model is not None
    error = np.log(cost(rows)) - model.predict(rows)
    before = np.log(cost(rows)) - prior.predict(NEW, rows)
    assert np.std(error) < np.std(before)
    assert abs(np.mean(error)) < 0.2  # the constant that a prior does not know is learned


def test_the_first_batch_is_better_than_chance(prior: Prior) -> None:
    cold, warm = NEW, replace(NEW, prior=prior)
    first = [get_method("cga")(problem(space), 0).propose(16, [], 0) for space in (cold, warm)]
    means = [np.log(cost(NEW.rows([c.values for c in batch]))).mean() for batch in first]
    assert means[1] < means[0] - 0.3


def test_seeds_come_in_the_order_of_the_prior_and_its_own_choice_between_them(prior: Prior) -> None:
    rows = NEW.sampler.sample(12, np.random.default_rng(3))
    seeds = [NEW.candidate(row) for row in rows]
    warm = replace(NEW, prior=prior, seeds=[each.values for each in seeds])
    batch = get_method("cga")(problem(warm), 0).propose(16, [], 0)
    ordered = [seeds[i] for i in np.argsort(prior.predict(NEW, rows), kind="stable")]
    assert [each for each in batch if each in seeds] == ordered
    assert batch[0] == ordered[0]
    assert [place for place, each in enumerate(batch) if each not in seeds] == [2, 6, 10, 14]


def test_the_share_of_the_work_carries_over_to_other_shapes() -> None:
    """The best tile is a sixteenth of the workload, whatever its size: tiles themselves do not tell."""

    def space_of(m: int, n: int, k: int) -> VariantSpace:
        def sizes(rows: np.ndarray) -> tuple[np.ndarray, list[str]]:
            return (rows[:, 1] * rows[:, 2] * rows[:, 4] * rows[:, 5] * rows[:, 7])[:, None], ["tile.work"]

        return replace(variant(m=m, n=n, k=k), features=sizes, work=float(m * n * k))

    def cost_of(space: VariantSpace, rows: np.ndarray) -> np.ndarray:
        return np.exp(np.abs(np.log(space.features(rows)[0][:, 0] * 16 / space.work)))

    examples = {}
    for shape in [(64, 96, 128), (256, 192, 256), (768, 768, 512)]:
        space = space_of(*shape)
        rows = space.sampler.sample(100, np.random.default_rng(1))
        known = [
            Trial(space.candidate(row), Measurement(Status.OK, seconds=float(cost) * space.work))
            for row, cost in zip(rows, cost_of(space, rows), strict=True)
        ]
        examples[str(shape)] = [(space, known)]
    made = train("gemm", "toy", "digest", examples)
    assert made is not None
    new = space_of(1024, 768, 1024)
    rows = new.sampler.sample(500, np.random.default_rng(2))
    assert "tile.work of work" in made.columns
    assert rank(made.predict(new, rows), cost_of(new, rows)) > 0.99


def test_few_trials_make_no_model() -> None:
    assert train("gemm", "toy", "digest", told(5)) is None
    assert MINIMUM_TRIALS <= 32


def test_what_does_not_hold_for_other_shapes_is_not_learned() -> None:
    examples = told()
    rng = np.random.default_rng(1)
    for ((_, known),) in examples.values():
        costs = rng.permutation([trial.measurement.seconds for trial in known])
        known[:] = [
            replace(trial, measurement=replace(trial.measurement, seconds=float(seconds)))
            for trial, seconds in zip(known, costs, strict=True)
        ]
    assert train("gemm", "toy", "digest", examples) is None


def test_failures_count_as_worst() -> None:
    examples = told(40)
    for ((space, known),) in examples.values():
        slow = [replace_status(trial) for trial in known if trial.candidate.values["order"] == 0]
        known[:] = [t for t in known if t.candidate.values["order"] != 0] + slow
        del space
    made = train("gemm", "toy", "digest", examples)
    assert made is not None
    rows = NEW.sampler.sample(400, np.random.default_rng(9))
    failing = rows[:, NEW.names.index("order")] == 0
    predicted = made.predict(NEW, rows)
    assert predicted[failing].mean() > predicted[~failing].mean()


def replace_status(trial: Trial) -> Trial:
    return Trial(trial.candidate, Measurement(Status.BUILD_ERROR, reason="no such instruction"))


def test_text_and_back(prior: Prior) -> None:
    import json

    again = Prior.parse(json.dumps(prior.to_json()))
    assert again == prior
    rows = NEW.sampler.sample(20, np.random.default_rng(1))
    assert np.array_equal(again.predict(NEW, rows), prior.predict(NEW, rows))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "heron/model/2"}, "'schema' must be heron/model/1"),
        ({"trials": "many"}, "trials: missing or no int"),
        ({"columns": [1, 2]}, "lists of texts"),
        ({"columns": ["knob.m0"]}, "its trees have"),
        ({"booster": "tree\n"}, "booster: "),
    ],
)
def test_what_is_no_model_is_refused(prior: Prior, change: dict[str, object], message: str) -> None:
    import json

    with pytest.raises(PriorError, match=message):
        Prior.parse(json.dumps({**prior.to_json(), **change}))
    with pytest.raises(PriorError, match="no JSON"):
        Prior.parse("{")
