from __future__ import annotations

import pickle

import pytest

from heron_cli.errors import Origin, SpaceEmptyError
from heron_cli.space import (
    Const,
    Constraint,
    SpaceBuilder,
    Var,
    at_most,
    ceil_div,
    equal,
    maximum,
    select,
)


def builder_with(**domains):
    builder = SpaceBuilder()
    return builder, *(builder.knob(name, values) for name, values in domains.items())


def test_a_knob_sorts_its_values_and_drops_duplicates():
    builder, _ = builder_with(x=[4, 1, 4, 2])
    assert builder.build().knobs[0].values == (1, 2, 4)


def test_a_knob_without_values_empties_the_space():
    with pytest.raises(SpaceEmptyError, match=r"knob tile\.m has no candidate value"):
        SpaceBuilder().knob("tile.m", [])


def test_names_must_be_new_and_known():
    builder, x = builder_with(x=[1])
    with pytest.raises(ValueError, match="the variable x exists already"):
        builder.derive("x", x * 2)
    with pytest.raises(ValueError, match="constraint 'rule' names y, which the space does not have"):
        builder.require("rule", at_most(Var("y") * x, 3))
    with pytest.raises(TypeError, match="constraint 'rule' must be a condition"):
        builder.require("rule", x * 2)
    with pytest.raises(ValueError, match="a space needs at least one knob"):
        SpaceBuilder().build()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x, y: 12 // 1 + Const(12) // (x - 2), "divides by x - 2, which may be less than 1"),
        (lambda x, y: ceil_div(12, y), "divides by y, which may be less than 1"),
        (lambda x, y: Const(12) % y, "divides by y, which may be less than 1"),
        (lambda x, y: select(x, [1, 2, 3]), "selects case x of 3, which may not exist"),
        (lambda x, y: x * 2**51, "which may exceed 4,503,599,627,370,496"),
    ],
)
def test_trees_without_a_meaning_somewhere_are_refused(make, message):
    builder, x, y = builder_with(x=[1, 2, 3], y=[0, 1])
    builder.require("rule", at_most(make(x, y), 7))
    with pytest.raises(ValueError, match="constraint 'rule' ") as caught:
        builder.build()
    assert message in str(caught.value)


def test_an_equality_bounds_what_would_otherwise_be_too_large():
    values = [1, 12544, 2**20]
    builder, *factors = builder_with(**dict.fromkeys("abcd", values))
    whole = factors[0] * factors[1] * factors[2] * factors[3]
    builder.derive("square", factors[0] * factors[1] * factors[2] * factors[0] * factors[1] * factors[2])
    with pytest.raises(ValueError, match="derived variable square"):
        builder.build()
    builder.require("split", equal(whole, 2**20))
    assert builder.build().caps[0].bound == 2**20


def test_derived_variables_resolve_to_knobs():
    builder, x, y = builder_with(x=[1, 2], y=[3])
    tile = builder.derive("tile", x * y)
    double = builder.derive("double", tile * 2)
    space = builder.build()
    assert space.expression(double + tile) == 2 * x * y + x * y
    assert space.expression(maximum(double, 3)) == maximum(2 * x * y, 3)


def test_the_digest_depends_on_meaning_alone():
    def build(limit, why="", origin=None):
        builder, x = builder_with(x=[1, 2, 3])
        builder.require("limit", at_most(x, limit), origin, why)
        return builder.build().digest

    assert build(2) == build(2, "because", Origin("a.yaml", 3, 1))
    assert build(2) != build(1)


def test_rows_and_values_translate_into_each_other():
    builder, *_ = builder_with(b=[1, 2], a=[3, 4])
    space = builder.build()
    assert space.names == ("b", "a")
    assert space.row({"a": 4, "b": 1, "other": 9}).tolist() == [1, 4]
    assert space.values([1, 4]) == {"b": 1, "a": 4}


def test_a_pickled_space_is_the_same_space():
    builder, x = builder_with(x=[1, 2, 3])
    builder.require("limit", at_most(builder.derive("twice", x * 2), 4), Origin("a.yaml", 3, 1))
    space = builder.build()
    copy = pickle.loads(pickle.dumps(space))
    assert copy == space
    assert copy.digest == space.digest
    assert copy.conditions == space.conditions


def test_without_and_extended_leave_the_original_alone():
    builder, x = builder_with(x=[1, 2, 3])
    builder.require("limit", at_most(x, 2), Origin("a.yaml", 3, 1))
    space = builder.build()
    assert space.without({"limit"}).constraints == ()
    more = space.extended([Constraint("user", x >= 2)])
    assert [item.label for item in more.constraints] == ["limit", "user"]
    assert str(more.constraints[0]) == "limit (a.yaml:3:1): x <= 2"
    assert len(space.constraints) == 1
