"""Rules that remove nothing and values that nothing takes, against enumeration."""

from __future__ import annotations

import numpy as np

from heron_cli.space import Evaluator, Rows, Space, SpaceBuilder, at_most
from heron_cli.space.dead import implied, unused_values


def test_every_rule_of_the_small_space_removes_some(small: Space) -> None:
    assert implied(small, [constraint.label for constraint in small.constraints]) == []


def test_an_implied_rule_is_found_and_really_removes_nothing(small: Space, small_grid: Rows) -> None:
    looser = small.extended([])
    b = SpaceBuilder(looser)
    registers = next(c for c in small.constraints if c.label == "register budget")
    left = registers.condition.left  # type: ignore[attr-defined]  # a comparison
    b.require("register budget, doubled", at_most(left, 16))
    whole = b.build()
    assert implied(whole, [each.label for each in whole.constraints]) == ["register budget, doubled"]
    with_it, without = Evaluator(whole).valid(small_grid), Evaluator(small).valid(small_grid)
    assert np.array_equal(with_it, without)


def test_unused_values_are_those_that_no_row_takes(small: Space, small_rows: Rows) -> None:
    found = unused_values(small, small.names)
    for column, knob in enumerate(small.knobs):
        missing = set(knob.values) - set(small_rows[:, column].tolist())
        assert set(found.get(knob.name, ())) == missing
