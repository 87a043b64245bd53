from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.backends.vta.hazards import closest_reuse, issue_cycles
from heron_cli.backends.vta.steps import steps


def step_by_step(accumulators: list[int], distance: int) -> int:
    """The definition: a step a cycle, `distance` after the last one with the same accumulator."""
    last: dict[int, int] = {}
    cycle = -1
    for accumulator in accumulators:
        cycle = max(cycle + 1, last.get(accumulator, -distance) + distance)
        last[accumulator] = cycle
    return cycle + 1


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=6),
    st.tuples(st.integers(1, 6), st.integers(0, 2)),
    st.tuples(st.integers(1, 6), st.integers(0, 2)),
    st.integers(1, 7),
)
def test_cycles_are_those_of_a_walk_through_all_steps(
    dst: list[int], outer: tuple[int, int], inner: tuple[int, int], distance: int
) -> None:
    bases = np.array(dst)
    walked = steps(bases, outer, inner).tolist()
    assert issue_cycles(bases, outer, inner, distance) == step_by_step(walked, distance)
    apart = [b - a for a in range(len(walked)) for b in range(a + 1, len(walked)) if walked[a] == walked[b]]
    assert closest_reuse(bases, outer, inner, distance) == min([*apart, distance])


@pytest.mark.parametrize(
    ("dst", "outer", "inner", "cycles"),
    [
        ([0], (1, 0), (8, 1), 8),  # eight accumulators
        ([0], (1, 0), (8, 0), 29),  # one, every fourth cycle
        ([0, 1], (1, 0), (3, 0), 10),  # 0, 1, 4, 5, 8, 9
        ([0, 1, 2, 3], (3, 0), (2, 0), 24),  # far enough apart
    ],
)
def test_by_hand(dst: list[int], outer: tuple[int, int], inner: tuple[int, int], cycles: int) -> None:
    assert issue_cycles(np.array(dst), outer, inner, 4) == cycles


def test_large_instructions_take_no_long_walk() -> None:
    """Two hundred million steps."""
    assert issue_cycles(np.array([0]), (16383, 0), (16383, 0), 4) == 16383**2 * 4 - 3
