from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.space import Evaluator, SpaceBuilder, Var, ceil_div, maximum, select
from heron_cli.space.ranges import GRID, VALUES, Ranges, _distinct


def space_with(values):
    builder = SpaceBuilder()
    z, a, m = (builder.knob(name, values[k]) for k, name in enumerate("zam"))
    builder.derive("mixed", maximum(z * a - m, ceil_div(z + 3, a)) + (m % a) * z)
    builder.derive("chosen", select(m % 2, [z // a, 7]))
    builder.derive("seven", 7)
    return builder.build()


domains = st.lists(st.sets(st.integers(1, 9), min_size=1, max_size=5).map(sorted), min_size=3, max_size=3)


@given(domains)
def test_a_grid_is_the_tree_on_every_combination_of_its_own_knobs_in_the_order_of_names(values) -> None:
    space = space_with(values)
    ranges = Ranges(space, ())
    rows = np.array(list(itertools.product(*values)), np.int64)
    names = sorted(space.names)
    ordered = np.lexsort([rows[:, space.names.index(name)] for name in reversed(names)])
    expected = Evaluator(space).columns(rows[ordered])
    for name in ("mixed", "chosen"):
        tree = space.expression(Var(name))
        assert ranges.values(tree) == tuple(sorted(set(expected[name].tolist())))
        low, high = ranges.bounds(tree)
        assert (low, high) == (expected[name].min(), expected[name].max())
    assert ranges.grid(space.expression(Var("mixed"))).ravel().tolist() == expected["mixed"].tolist()
    assert ranges.values(space.expression(Var("seven"))) == (7,)


def test_too_many_combinations_or_values_are_an_interval_only() -> None:
    builder = SpaceBuilder()
    x, y = builder.knob("x", range(GRID)), builder.knob("y", range(2))
    builder.derive("both", x + y)
    builder.derive("same", x * 1)
    space = builder.build()
    ranges = Ranges(space, ())
    assert GRID > VALUES
    assert ranges.values(space.expression(Var("both"))) is None
    assert ranges.values(space.expression(Var("same"))) is None
    assert ranges.bounds(space.expression(Var("both"))) == (0, GRID)


@given(st.lists(st.integers(-(1 << 40), 1 << 40) | st.integers(-9, 9), min_size=1, max_size=30))
def test_distinct_values_are_those_of_numpy(values) -> None:
    column = np.array(values, np.int64)
    assert _distinct(column).tolist() == np.unique(column).tolist()
