from __future__ import annotations

from math import prod

import numpy as np
import pytest

from heron_cli.errors import Origin
from heron_cli.space import Const, Evaluator, SpaceBuilder, Var, at_most, divides, equal, product


def test_columns_hold_knobs_and_derived_variables(small, small_rows):
    columns = Evaluator(small).columns(small_rows)
    assert list(columns) == [*small.names, "tile.m", "tile.n", "tile.k", "footprint", "tasks"]
    assert columns["tile.m"].dtype == np.int64
    assert (columns["tile.m"] == columns["cache.m"] * columns["register.m"]).all()
    assert (columns["footprint"] <= 3 << 10).all()


def test_steps_and_walks_give_the_same_columns(small):
    rng = np.random.default_rng(0)
    rows = np.stack([rng.choice(knob.values, size=500) for knob in small.knobs], axis=1)
    evaluator = Evaluator(small)
    names = tuple(item.name for item in small.derived)
    for name, column in zip(names, evaluator.of(names, rows), strict=True):
        assert np.array_equal(column, evaluator.evaluate(Var(name), rows)), name


def test_a_derived_constant_fills_its_column():
    builder = SpaceBuilder()
    builder.knob("x", [1, 2])
    builder.derive("seven", 7)
    assert Evaluator(builder.build()).columns(np.array([[1], [2]]))["seven"].tolist() == [7, 7]


def test_values_outside_the_domains_are_invalid_and_do_no_harm():
    builder = SpaceBuilder()
    x = builder.knob("x", [1, 2, 4])
    builder.require("even", equal(Const(8) % x, 0))
    rows = np.array([[1], [3], [0], [5], [4], [-1]])
    assert Evaluator(builder.build()).valid(rows).tolist() == [True, False, False, False, True, False]


def test_rows_of_another_width_are_refused(small):
    with pytest.raises(ValueError, match=r"expected rows \[n, 10\], got shape \(2, 3\)"):
        Evaluator(small).valid(np.zeros((2, 3), np.int64))


def test_no_wrap_around_where_products_leave_64_bits():
    values = [1, 2**31, 2**32, 3, 12544]
    builder = SpaceBuilder()
    factors = [builder.knob(f"f{k}", values) for k in range(5)]
    builder.require("small", at_most(product(factors), 12544))
    builder.require("square", at_most(product(factors) * product(factors) - 12544 * 12544, 0))
    space = builder.build()
    rng = np.random.default_rng(0)
    rows = rng.choice(values, (20_000, 5))
    # 2**31 * 2**32 and the like would wrap to small or negative numbers.
    expected = [prod(row) <= 12544 for row in rows.tolist()]
    assert sum(expected) > 0
    assert Evaluator(space).valid(rows).tolist() == expected


def test_violations_name_the_rule_its_place_and_its_numbers():
    builder = SpaceBuilder()
    x, y = builder.knob("x", [1, 2, 4]), builder.knob("y", range(1, 9))
    tile = builder.derive("tile", x * y)
    builder.require("capacity", at_most(tile * 2, 16), Origin("a.yaml", 31, 5))
    builder.require("contiguous", divides(4, tile))
    evaluator = Evaluator(builder.build())
    assert evaluator.violations({"x": 4, "y": 2}) == []
    first, second = evaluator.violations({"x": 2, "y": 7, "tile": 0})
    assert str(first) == "capacity (a.yaml:31:5): 2 * tile <= 16: 28 against 16, off by 12"
    assert (first.left, first.right) == (28, 16)
    assert str(second) == "contiguous: 4 divides tile"
    assert second.left is None
    (outside,) = evaluator.violations({"x": 3, "y": 7})
    assert str(outside) == "candidates of x: x is one of 1, 2, 4"
    with pytest.raises(KeyError):
        evaluator.violations({"x": 1})


def test_evaluate_reads_any_expression(small, small_rows):
    evaluator = Evaluator(small)
    columns = evaluator.columns(small_rows)
    value = evaluator.evaluate(Var("tile.m") * 3 - Var("cache.k"), small_rows)
    assert (value == columns["tile.m"] * 3 - columns["cache.k"]).all()
