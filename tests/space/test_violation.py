from __future__ import annotations

import numpy as np
import pytest

from heron_cli.space import Evaluator, SpaceBuilder, all_of, any_of, at_most, equal
from heron_cli.space.violation import violation


def test_zero_exactly_where_valid(small, small_rows):
    rng = np.random.default_rng(0)
    rows = np.stack([rng.choice(knob.values, 5000) for knob in small.knobs], axis=1)
    rows = np.concatenate([rows, small_rows])
    evaluator = Evaluator(small)
    valid = evaluator.valid(rows)
    assert 0 < valid.sum() < len(rows)
    amounts = violation(evaluator, rows)
    assert ((amounts == 0) == valid).all() and np.isfinite(amounts).all()
    assert (amounts[~valid] > 1).all(), "one for each that is broken, and more"


def test_amounts_by_kind_of_constraint():
    builder = SpaceBuilder()
    x, y = builder.knob("x", range(1, 33)), builder.knob("y", range(1, 33))
    builder.require("capacity", at_most(x * y, 64))
    builder.require("either", any_of(equal(x, y), at_most(x, 8)))
    builder.require("both", all_of(at_most(x, 16), at_most(y, 16)))
    rows = np.array([[8, 8], [32, 1], [9, 8], [32, 32], [33, 1]])
    amounts = violation(Evaluator(builder.build()), rows)
    both = 16 / 49
    expected = [
        0.0,
        (1 + 24 / 41) + (1 + both),  # "either" is nearer by x <= 8 than by x = y; y <= 16 holds
        (1 + 8 / 137) + (1 + 1 / 18),  # capacity, and x <= 8 or x = y by one
        (1 + 960 / 1089) + (1 + 2 * both),  # x = y, so capacity and the two parts of "both"
        np.inf,
    ]
    assert amounts == pytest.approx(expected)
