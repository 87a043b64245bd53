from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.schedule.permute import inverse


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    st.permutations([0, 1, 2]),
    st.data(),
)
def test_any_order_of_digits_is_inverted(shape: list[int], order: list[int], data: st.DataObject) -> None:
    """v counts through the old dimensions in some order; only its first values may be there."""
    order = [place for place in order if place < len(shape)]
    count = data.draw(st.integers(1, prod(shape)))
    rest, reads = np.arange(count), [np.zeros(count, np.int64)] * len(shape)
    for place in reversed(order):
        reads[place], rest = rest % shape[place], rest // shape[place]
    found = inverse(reads, shape)
    assert found is not None
    coefficients, offset = found
    points = np.indices(shape).reshape(len(shape), -1)
    target = np.dot(coefficients, points) + offset
    inside = (target >= 0) & (target < count)
    assert sorted(target[inside].tolist()) == list(range(count))
    assert (np.dot(coefficients, np.stack(reads)) + offset == np.arange(count)).all()


def test_what_is_not_affine_has_no_inverse() -> None:
    v = np.arange(6)
    assert inverse([v * v % 7], [7]) is None
    assert inverse([v // 2], [3]) is None
    assert inverse([np.array([0, 2, 1])], [3]) is None
