from __future__ import annotations

import numpy as np

from heron_cli.space import Evaluator, SpaceBuilder, at_most, divides, equal, product
from heron_cli.space import tables as tables_module
from heron_cli.space.tables import group


def test_the_factors_of_an_axis_share_a_table_and_a_lone_knob_has_its_own(small):
    grouping = group(small)
    found = [set(table.names) for table in grouping.tables]
    assert sorted(name for names in found for name in names) == sorted(small.names)
    for axis in "mnk":
        own = {name for name in small.names if name.endswith(f".{axis}")}
        assert sum(own <= names for names in found) == 1


def test_tables_hold_every_valid_row(small, small_rows):
    for table in group(small).tables:
        columns = [small.names.index(name) for name in table.names]
        assert {tuple(r) for r in small_rows[:, columns].tolist()} <= {tuple(r) for r in table.rows.tolist()}


def test_an_equality_over_many_values_is_joined_without_listing_its_product():
    # 45 divisors and four levels: 4.1 million combinations, 2,850 of them valid.
    extent = 12544
    divisors = [d for d in range(1, extent + 1) if extent % d == 0]
    builder = SpaceBuilder()
    factors = [builder.knob(f"f{k}", divisors) for k in range(4)]
    builder.require("split", equal(product(factors), extent))
    grouping = group(builder.build())
    assert [len(table) for table in grouping.tables] == [165 * 10]
    assert grouping.coupling == ()


def test_rows_that_nothing_can_complete_are_pruned(monkeypatch):
    monkeypatch.setattr(tables_module, "JOIN_CAP", 0)
    builder = SpaceBuilder()
    x, y = builder.knob("x", range(1, 101)), builder.knob("y", range(10, 101))
    builder.require("area", at_most(x * y, 200))
    space = builder.build()
    grouping = group(space)
    assert {table.names[0]: len(table) for table in grouping.tables} == {"x": 20, "y": 91}
    assert len(grouping.coupling) == 1


def test_a_divisibility_over_many_knobs_stays_a_filter_where_its_table_would_be_large():
    builder = SpaceBuilder()
    many = [builder.knob(f"k{k}", range(1, 17)) for k in range(6)]
    builder.require("whole", divides(many[0] * many[1], product(many[2:])))
    grouping = group(builder.build())
    assert max(map(len, grouping.tables)) == 16
    assert len(grouping.coupling) == 1


def test_an_unsatisfiable_table_is_empty():
    builder = SpaceBuilder()
    x, y = builder.knob("x", [2, 4]), builder.knob("y", [2, 4])
    builder.require("odd", equal(x * y, 9))
    space = builder.build()
    assert group(space).combinations == 0
    assert not Evaluator(space).valid(np.array([[2, 4]])).any()
