from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.measure.timing import Timing
from heron_cli.measure.yardstick import LIMIT, Yardstick, interfered, watched


def paced(seconds: Iterator[float]) -> Yardstick:
    """A yardstick on a clock of its own: each look takes the next time, in all of its rounds."""
    now = 0.0

    def clock() -> float:
        return now

    def work() -> None:
        nonlocal now
        now += next(seconds)

    return Yardstick(work, clock)


def looks(*times: float) -> Yardstick:
    return paced(itertools.chain.from_iterable(itertools.repeat(each, 3) for each in (*times, *[1.0] * 99)))


def counting(*timings: Timing) -> tuple[Callable[[], Timing], list[Timing]]:
    taken: list[Timing] = []
    rest = itertools.chain(timings, itertools.repeat(timings[-1]))

    def measure() -> Timing:
        taken.append(next(rest))
        return taken[-1]

    return measure, taken


GOOD = Timing(1e-3, 0.01, 10, 4)


def test_the_work_itself_takes_time_and_is_steady_enough_to_say_so() -> None:
    yardstick = Yardstick()
    assert yardstick.take() == 1.0
    assert min(yardstick.take() for _ in range(20)) < 10


def test_a_single_interrupted_round_does_not_matter() -> None:
    yardstick = paced(iter([1.0, 1.0, 1.0, 50.0, 1.0, 7.0]))
    assert [yardstick.take(), yardstick.take()] == [1.0, 1.0]


def test_undisturbed_is_timed_once() -> None:
    measure, taken = counting(GOOD)
    timing = watched(measure, looks(1.0, 1.0, 1.05))
    assert (len(taken), timing.pace, interfered(timing)) == (1, 1.0, False)


def test_interference_before_or_after_is_timed_again() -> None:
    for times in ((1.0, 2.0), (1.0, 1.3)):
        yardstick = looks(*times)
        yardstick.take() if times[0] > 1 else None
        measure, taken = counting(GOOD)
        timing = watched(measure, yardstick)
        assert len(taken) == 2
        assert not interfered(timing)


def test_interference_that_lasts_is_marked_and_the_steadier_timing_counts() -> None:
    yardstick = looks(1.0, 3.0, 3.0, 2.0, 2.0)
    yardstick.take()
    measure, taken = counting(Timing(5e-3, 0.1, 10, 4), Timing(2e-3, 0.1, 10, 4))
    timing = watched(measure, yardstick)
    assert (len(taken), timing.seconds, timing.pace) == (2, 2e-3, 2.0)
    assert interfered(timing)


@pytest.mark.parametrize(("pace", "times"), [(1.0, 1), (3.0, 2)])
def test_what_seems_clearly_slower_is_repeated_where_something_else_went_on(pace: float, times: int) -> None:
    yardstick = looks(1.0, *[pace] * 4)
    yardstick.take()
    measure, taken = counting(*[Timing(1.0, 0.0, 1, 1, gave_up=True)] * 2)
    assert watched(measure, yardstick).gave_up
    assert len(taken) == times


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=30))
def test_a_pace_is_never_below_one(times: list[float]) -> None:
    yardstick = looks(*times)
    assert all(yardstick.take() >= 1.0 for _ in times)


def test_the_limit_is_above_what_is_usual() -> None:
    assert 1.0 < LIMIT < 1.5
