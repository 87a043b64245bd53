from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.distinct import first_of_each


@given(st.integers(0, 60), st.integers(1, 9), st.integers(0, 1 << 16), st.booleans())
def test_the_first_of_each_row_in_the_order_of_values(
    count: int, columns: int, seed: int, wide: bool
) -> None:
    """As numpy finds them, also where the values of a row need more than one integer."""
    rng = np.random.default_rng(seed)
    values = np.array([-(1 << 40), 3, 1 << 40]) if wide else np.array([1, 2, 4])
    rows = values[rng.integers(0, 3 if columns < 4 else 2, (count, columns))]
    found = first_of_each(rows)
    if not count:
        assert not len(found)
        return
    expected, first = np.unique(rows, axis=0, return_index=True)
    assert found.tolist() == first.tolist() and np.array_equal(rows[found], expected)
