from __future__ import annotations

import pytest

from heron_cli.records import Store
from heron_cli.search.driver import tune
from heron_cli.search.replay import ReplayRunner
from heron_cli.search.result import Budget, Stopped, TuneResult
from heron_cli.trial import Candidate, Status

from .toy import FakeRunner, problem, variant

VARIANTS = (variant(), variant("other", capacity=1 << 12))


def run(runner: object, store: Store, method: str, seed: int = 3, trials: int = 48) -> TuneResult:
    return tune(problem(*VARIANTS), method, runner, store, Budget(trials), seed, batch=16)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["random", "cga"])
def test_the_same_seed_takes_the_same_way_on_replayed_measurements(method: str) -> None:
    store = Store.in_memory()
    measured = run(FakeRunner(VARIANTS), store, method)
    replayed = run(ReplayRunner(store.all()), Store.in_memory(), method)
    assert [r.trial for r in replayed.records] == [r.trial for r in measured.records]
    assert replayed.best is not None and measured.best is not None
    assert replayed.best.trial == measured.best.trial


def test_another_seed_takes_another_way() -> None:
    one, other = (run(FakeRunner(VARIANTS), Store.in_memory(), "cga", seed) for seed in (3, -4))
    assert not {r.trial.candidate for r in one.records} & {r.trial.candidate for r in other.records}


def test_what_the_records_do_not_hold_is_said_to_be_unknown() -> None:
    store = Store.in_memory()
    run(FakeRunner(VARIANTS), store, "random", trials=20)
    runner = ReplayRunner(store.all())
    known, unknown = store.all()[0].trial, Candidate.of("plain", {"m0": 1})
    answers = dict(runner.run([unknown, known.candidate]))
    assert answers[1] == known.measurement
    assert answers[0].status is Status.DEVICE_LOST and "hold no trial" in answers[0].reason
    assert runner.remeasure([unknown])[0].status is Status.DEVICE_LOST
    result = run(runner, Store.in_memory(), "random")
    assert (result.stopped, result.trials, result.valid) == (Stopped.DEVICE_LOST, 48, 20)
