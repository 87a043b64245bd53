from __future__ import annotations

import numpy as np

from heron_cli.search.by_variant import Taken
from heron_cli.search.protocol import get_method

from .toy import problem, small_variant, variant


def test_rows_are_taken_once_and_in_order() -> None:
    rows = np.array([[1, 2], [3, 4], [1, 2], [5, 6], [7, 8]], dtype=np.int64)
    taken = Taken(rows[1:2])
    assert taken.take(rows, 2).tolist() == [[1, 2], [5, 6]]
    assert taken.take(rows).tolist() == [[7, 8]]
    assert taken.take(rows).shape == (0, 2)
    assert len(taken) == 4


def test_the_last_point_of_a_space_is_found() -> None:
    small = small_variant()
    everything = small.sampler.everything()  # type: ignore[attr-defined]
    method = get_method("random")(problem(small), 0)
    for last in range(0, len(everything), 12):
        taken = Taken(np.delete(everything, last, axis=0))
        found = method.fresh(small, 5, taken, np.random.default_rng(last))  # type: ignore[attr-defined]
        assert found.tolist() == [everything[last].tolist()]


def test_rows_and_candidates_are_two_forms_of_the_same() -> None:
    space = variant()
    rows = space.sampler.sample(20, np.random.default_rng(0))
    candidates = [space.candidate(row) for row in rows]
    assert np.array_equal(space.rows([candidate.values for candidate in candidates]), rows)
    assert all(space.fits(candidate) for candidate in candidates)
    assert not any(variant("other").fits(candidate) for candidate in candidates)
    assert space.rows([]).shape == (0, 10)
