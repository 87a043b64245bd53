from __future__ import annotations

from heron_cli.records import Purpose, best_of, comparable
from heron_cli.records.record import Record

from .builders import VERSIONS, ranking, record


def tile(best: Record | None) -> int | None:
    return None if best is None else best.trial.candidate.values["tile"]


def test_without_ranking_the_fastest_verified_trial() -> None:
    assert (
        tile(best_of([record(1, 3.0), record(2, 2.0), record(3, 1.0, verified=False), record(4, None)])) == 2
    )
    assert best_of([record(3, 1.0, verified=False), record(4, None)]) is None
    assert best_of([]) is None


def test_the_ranking_outweighs_a_lucky_trial() -> None:
    trials = [record(1, 1.00, 1), record(2, 1.01, 2), record(3, 1.04, 3)]
    # the machine is slower now: what was not ranked must not win by that
    assert tile(best_of(trials + ranking((1, 1.20), (2, 1.10), at=9))) == 2


def test_later_trials_challenge_the_winner() -> None:
    old = [record(1, 1.00, 1), record(2, 1.01, 2), *ranking((1, 1.20), (2, 1.10), at=9)]
    assert tile(best_of([*old, record(3, 1.15, 10)])) == 2
    assert tile(best_of([*old, record(3, 1.05, 10)])) == 3


def test_a_candidate_that_failed_its_ranking_is_out() -> None:
    assert tile(best_of([record(1, 1.0, 1), record(2, 1.01, 2), *ranking((1, None), (2, 1.1), at=9)])) == 2


def test_a_candidate_that_the_ranking_could_not_verify_is_out() -> None:
    unverified = record(1, 1.0, 9, purpose=Purpose.RANKING, verified=False)
    assert tile(best_of([record(1, 1.0, 1), record(2, 1.01, 2), unverified, *ranking((2, 1.1), at=9)])) == 2


def test_the_newest_ranking_of_a_candidate_counts() -> None:
    trials = [record(1, 1.0, 1), record(2, 1.01, 2)]
    rankings = ranking((1, 1.0), (2, 1.1), at=8) + ranking((1, 1.3), (2, 1.2), at=9)
    assert tile(best_of(trials + rankings)) == 2
    # a winner that later rankings left out still stands
    assert tile(best_of(trials + ranking((1, 1.0), (2, 1.1), at=8) + ranking((2, 1.2), at=9))) == 1


def test_ties_do_not_depend_on_the_order_of_records() -> None:
    records = [record(knob, 1.0, 1) for knob in (3, 1, 2)]
    assert tile(best_of(records)) == tile(best_of(records[::-1])) == 1


def test_comparable_ignores_what_only_steers_the_search() -> None:
    assert comparable(VERSIONS, VERSIONS | {"lightgbm": "x", "ortools": "y", "python": "z"})
    assert not comparable(VERSIONS, VERSIONS | {"heron": "x"})
    assert not comparable(VERSIONS, VERSIONS | {"driver": "x"})
