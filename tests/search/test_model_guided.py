"""What the methods with a cost model share: distinct rows in a fixed order."""

from __future__ import annotations

import numpy as np

from heron_cli.search.model_guided import merge


def test_merged_rows_are_distinct_and_the_best_come_first() -> None:
    rows = np.array([[2, 1], [1, 9], [2, 1], [1, 3]])
    merged, scores = merge(rows, np.array([0.5, 0.7, 0.5, 0.5]))
    assert merged.tolist() == [[1, 3], [2, 1], [1, 9]] and scores.tolist() == [0.5, 0.5, 0.7]
