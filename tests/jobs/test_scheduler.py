"""The scheduler against made-up curves: it spends where it pays, and forgets nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from heron_cli.jobs.scheduler import Progress, choose

Curve = Callable[[int], float]
BATCH = 16


def spend(
    curves: Sequence[Curve], slices: int, workloads: Sequence[Progress], paces: Sequence[float]
) -> Counter[int]:
    counts: Counter[int] = Counter()
    for each, curve in zip(workloads, curves, strict=True):
        each.add(0, None)
        assert curve(0) > 0
    for _ in range(slices):
        index = choose(workloads)
        assert index is not None
        counts[index] += 1
        trials = counts[index] * BATCH
        workloads[index].add(trials, curves[index](trials), BATCH * paces[index])
    return counts


def flat(trials: int) -> float:
    return 100.0


def falling(trials: int) -> float:
    return 100.0 * 0.9 ** (trials / BATCH)


def made(count: int) -> list[Progress]:
    return [Progress("m", 1.0) for _ in range(count)]


def test_every_workload_gets_a_slice_first_in_order() -> None:
    workloads = made(3)
    for each in workloads:
        each.add(0, None)
    order = []
    for _ in range(3):
        index = choose(workloads)
        assert index is not None
        order.append(index)
        workloads[index].add(16, 5.0, 1.0)
    assert order == [0, 1, 2]


def test_what_still_falls_gets_more_than_what_stands() -> None:
    counts = spend([flat, falling], 30, made(2), [1.0, 1.0])
    assert counts[1] > counts[0] >= 2


def test_the_heavier_and_the_more_frequent_get_more() -> None:
    costs = spend([lambda t: 1000 * falling(t), falling], 20, made(2), [1.0, 1.0])
    assert costs[0] > costs[1]
    workloads = [Progress("m", 1.0), Progress("m", 10.0)]
    often = spend([falling, falling], 20, workloads, [1.0, 1.0])
    assert often[1] > often[0]


def test_of_two_alike_the_quicker_one_gets_more_trials() -> None:
    counts = spend([falling, falling], 20, made(2), [1.0, 5.0])
    assert counts[0] > counts[1]


def test_cycles_and_seconds_are_not_added_up() -> None:
    """What two accelerators share does not depend on the units of their costs."""

    def shares(unit: float) -> Counter[int]:
        workloads = [Progress("vta", 1.0), Progress("cpu", 1.0)]
        return spend(
            [lambda t: unit * falling(t), lambda t: 1 + flat(t) / (1 + t)], 20, workloads, [1.0, 1.0]
        )

    assert shares(1e6) == shares(1e-6)


def test_what_has_reached_its_bound_gets_nothing_more() -> None:
    bounded = Progress("m", 1.0, bound=100.0)
    counts = spend([flat, falling], 10, [bounded, Progress("m", 1.0)], [1.0, 1.0])
    assert counts[0] == 1


def test_without_a_valid_kernel_a_workload_goes_first_for_a_while_only() -> None:
    none, other = made(2)
    for each in (none, other):
        each.add(0, None)
    other.add(16, 5.0, 1.0)
    turns = []
    for turn in range(1, 8):
        index = choose([none, other])
        turns.append(index)
        (none, other)[index or 0].add(16 * turn, None if index == 0 else 5.0, 1.0)
    assert turns == [0, 0, 0, 0, 1, 1, 1]


@given(
    st.lists(
        st.tuples(st.floats(1e-9, 1e9), st.integers(1, 100), st.booleans(), st.booleans(), st.floats(0, 1e3)),
        min_size=1,
        max_size=6,
    )
)
def test_any_state_has_an_answer(states: list[tuple[float, int, bool, bool, float]]) -> None:
    workloads = []
    for cost, trials, valid, done, seconds in states:
        each = Progress("m", 1.0, done=done)
        each.add(0, None)
        each.add(trials, cost if valid else None, seconds)
        workloads.append(each)
    index = choose(workloads)
    if index is None:
        assert all(each.done for each in workloads)
    else:
        assert not workloads[index].done
