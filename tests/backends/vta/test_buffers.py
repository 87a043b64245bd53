"""What buffers hold, against walking through all uses one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.backends.vta.buffers import Held, filled, previous, rotate, stack

few = st.lists(st.integers(0, 4), min_size=1, max_size=30)


def pairs(held: Held) -> list[tuple[int, bool]]:
    return list(zip(held.places.tolist(), held.missing.tolist(), strict=True))


@given(few, st.integers(1, 4))
def test_buffers_are_refilled_in_turn(contents: list[int], copies: int) -> None:
    held: list[int | None] = [None] * copies
    turn, due = -1, []
    for content in contents:
        missing = content not in held
        if missing:
            turn = (turn + 1) % copies
            held[turn] = content
        due.append((held.index(content), missing))
    assert pairs(rotate(np.array(contents), copies)) == due


@given(few, st.lists(st.integers(1, 3), min_size=5, max_size=5), st.integers(3, 12))
def test_a_full_stack_is_emptied(contents: list[int], sizes: list[int], capacity: int) -> None:
    held: dict[int, int] = {}
    top, due = 0, []
    for content in contents:
        missing = content not in held
        if missing and top + sizes[content] > capacity:
            held, top = {}, 0
        if missing:
            held[content] = top
            top += sizes[content]
        due.append((held[content], missing))
    each = np.array([sizes[content] for content in contents])
    assert pairs(stack(np.array(contents), each, capacity)) == due


@given(few, st.integers(1, 3))
def test_who_used_and_who_filled_a_place_before(contents: list[int], copies: int) -> None:
    held = rotate(np.array(contents), copies)
    used: dict[int, int] = {}
    loaded: dict[int, int] = {}
    before, fills = [], []
    for index, (place, missing) in enumerate(pairs(held)):
        before.append(used.get(place, -1))
        used[place] = index
        if missing:
            loaded[place] = index
        fills.append(loaded[place])
    assert previous(held.places).tolist() == before
    assert filled(held).tolist() == fills
