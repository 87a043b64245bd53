from __future__ import annotations

from math import prod

from hypothesis import assume, given
from hypothesis import strategies as st

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


def test_all_rankings_of_a_candidate_count() -> None:
    """What wins by a hair in a quiet moment may lose by far in another one, which says as much."""
    trials = [record(1, 1.0, 1), record(2, 1.01, 2)]
    disturbed, quiet = ranking((1, 1.4), (2, 1.2), at=8), ranking((1, 1.03), (2, 1.04), at=9)
    found = best_of(trials + disturbed + quiet)
    assert (tile(found), found and found.cost) == (2, 1.04), "its time is that of its best moment"
    assert tile(best_of(trials + quiet)) == 1


def test_a_winner_that_later_rankings_left_out_still_stands() -> None:
    trials = [record(1, 1.0, 1), record(2, 1.01, 2)]
    assert tile(best_of(trials + ranking((1, 1.0), (2, 1.1), at=8) + ranking((2, 1.2), at=9))) == 1


def test_a_champion_is_beaten_over_all_rankings_that_both_took_part_in() -> None:
    first = ranking((1, 1.0), (2, 1.05), (3, 1.02), at=5)
    assert tile(best_of(first + ranking((1, 1.04), (2, 1.0), at=6))) == 1, "by 1 %"
    assert tile(best_of(first + ranking((1, 1.04), (2, 0.97), at=6))) == 2
    assert tile(best_of(first + ranking((1, 1.03), (4, 1.02), at=6))) == 4, "they met once"
    assert tile(best_of(first + ranking((1, 5.0), (2, 4.9), at=6))) == 1, "whatever the moment does to all"


def test_a_ranking_that_something_disturbed_counts_for_a_tenth_at_most() -> None:
    often = [r for at in (5, 6) for r in ranking((1, 1.0), (2, 1.06), at=at)]
    assert tile(best_of(often + ranking((1, 2.0), (2, 1.0), at=7))) == 1
    assert tile(best_of(often[:2] + ranking((1, 2.0), (2, 1.0), at=7))) == 2


def test_a_ranking_without_the_champion_is_compared_by_time() -> None:
    first = ranking((1, 1.0), (2, 1.1), at=5)
    assert tile(best_of(first + ranking((2, 0.98), (3, 0.99), at=6))) == 2
    assert tile(best_of(first + ranking((2, 1.02), (3, 1.01), at=6))) == 1


TIMES = st.lists(st.integers(1000, 1090), min_size=5, max_size=5)


@given(st.lists(TIMES, min_size=1, max_size=4), st.data())
def test_how_slow_the_machine_was_does_not_matter(rankings: list[list[int]], data: st.DataObject) -> None:
    """Of complete rankings the least product of times wins, whatever a moment did to all."""
    products = [prod(times) for times in zip(*rankings, strict=True)]
    least, next_ = sorted(products)[:2]
    assume(next_ > least)
    records = []
    for at, times in enumerate(rankings):
        slowness = data.draw(st.sampled_from([0.5, 1.0, 3.0]))
        records += ranking(*((knob, each * slowness) for knob, each in enumerate(times)), at=at)
    assert tile(best_of(records)) == products.index(least)


def test_ties_do_not_depend_on_the_order_of_records() -> None:
    records = [record(knob, 1.0, 1) for knob in (3, 1, 2)]
    assert tile(best_of(records)) == tile(best_of(records[::-1])) == 1


def test_comparable_ignores_what_only_steers_the_search() -> None:
    assert comparable(VERSIONS, VERSIONS | {"lightgbm": "x", "ortools": "y", "python": "z"})
    assert not comparable(VERSIONS, VERSIONS | {"heron": "x"})
    assert not comparable(VERSIONS, VERSIONS | {"driver": "x"})
