from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heron_cli.search.shares import apportion, divide
from heron_cli.trial import Candidate, Measurement, Status, Trial


def trial(variant: str, seconds: float | None, number: int = 0) -> Trial:
    status = Status.TIMEOUT if seconds is None else Status.OK
    return Trial(Candidate.of(variant, {"n": number}), Measurement(status, seconds))


@given(st.integers(0, 500), st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_shares_add_up_and_are_within_one_of_proportion(count: int, weights: list[int]) -> None:
    shares = apportion(count, weights)
    assert sum(shares) == count
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - count * weight / sum(weights)) < 1


def test_all_start_equal() -> None:
    assert divide(32, ["a", "b"], []) == [16, 16]
    assert divide(32, ["a", "b", "c"], [trial("a", None)]) == [11, 11, 10]


def test_the_leader_gets_most_and_nobody_is_given_up() -> None:
    history = [trial("a", 1.0 + n, n) for n in range(32)] + [trial("b", 100.0, n) for n in range(32)]
    assert divide(36, ["a", "b"], history) == [34, 2]


def test_little_knowledge_moves_little() -> None:
    history = [trial("a", 1.0, n) for n in range(4)] + [trial("b", 100.0, n) for n in range(4)]
    assert divide(40, ["a", "b"], history) == [30, 10]
