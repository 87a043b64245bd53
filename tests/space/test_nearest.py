"""The nearest valid assignment, against all of them."""

from __future__ import annotations

import numpy as np
import pytest

from heron_cli.space import Evaluator, Rows, Space, SpaceBuilder, at_most
from heron_cli.space.nearest import nearest


def distance(space: Space, rows: Rows, wanted: dict[str, int]) -> np.ndarray:
    """(knobs changed, steps) as one number, for every row."""
    changed, steps = np.zeros(len(rows)), np.zeros(len(rows))
    for name, value in wanted.items():
        column, domain = rows[:, space.names.index(name)], space.domains[name]
        changed += column != value
        steps += np.abs(np.searchsorted(domain, column) - domain.index(value))
    return 10_000 * changed + steps


@pytest.mark.parametrize("seed", range(6))
def test_none_is_nearer(small: Space, small_rows: Rows, seed: int) -> None:
    rng = np.random.default_rng(seed)
    wanted = {knob.name: int(rng.choice(knob.values)) for knob in small.knobs}
    if seed % 2:  # a part of the knobs is asked for
        wanted = dict(list(wanted.items())[::2])
    found = nearest(small, wanted)
    assert found is not None
    assert found.proven
    row = small.row(found.values)[None, :]
    assert Evaluator(small).valid(row).all()
    assert distance(small, row, wanted)[0] == distance(small, small_rows, wanted).min()
    assert found.changed == {k: (v, found.values[k]) for k, v in wanted.items() if found.values[k] != v}


def test_a_valid_assignment_is_its_own(small: Space, small_rows: Rows) -> None:
    values = small.values(small_rows[7])
    found = nearest(small, values)
    assert found is not None
    assert (dict(found.values), found.changed) == (values, {})


def test_an_empty_space_has_none() -> None:
    b = SpaceBuilder()
    b.require("too much", at_most(b.knob("x", [4, 8]), 3))
    assert nearest(b.build(), {"x": 8}) is None
