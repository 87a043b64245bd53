from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.space import Evaluator, SpaceBuilder, at_most, divides, equal, product
from heron_cli.space import tables as tables_module
from heron_cli.space.tables import Table, group, set_bits


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


@given(st.integers(1, 600), st.integers(0, 1 << 16))
def test_set_bits_are_found_by_their_number(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = Table(("a", "b"), rng.integers(0, 4, (rows, 2)))
    choices = rng.integers(0, 5, (6, 2, 2))  # 4 is a value that no row has
    kept = rng.random((6, 2)) < 0.5
    fits = [
        [all(not kept[i, c] or row[c] in choices[i, :, c] for c in range(2)) for row in table.rows]
        for i in range(6)
    ]
    words = table.fitting(choices, kept)
    counts = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    assert counts.tolist() == [sum(each) for each in fits]
    ranks = rng.integers(0, np.maximum(counts, 1)[:, None], size=(6, 9))
    found = set_bits(words, ranks)
    for i, mask in enumerate(fits):
        if any(mask):
            assert found[i].tolist() == np.flatnonzero(mask)[ranks[i]].tolist()
