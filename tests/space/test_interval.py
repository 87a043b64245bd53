from __future__ import annotations

import itertools

import numpy as np
import pytest

from heron_cli.space import (
    Const,
    SpaceBuilder,
    Var,
    all_of,
    any_of,
    ceil_div,
    compare,
    equal,
    maximum,
    minimum,
    negate,
    select,
)
from heron_cli.space.interval import IntervalAnalysis, find_caps

x, y, z = Var("x"), Var("y"), Var("z")
BOX = {"x": (1.0, 4.0), "y": (-3.0, 2.0), "z": (2.0, 2.0)}
TREES = [
    x * y,
    y * y,
    x + y - 2 * z,
    y // x,
    ceil_div(y * 5, x),
    y % x,
    (x + 9) % 40,
    Const(17) % z,
    minimum(x, y, 1),
    maximum(x, y),
    select(x - 1, [y, 5, x * x, 0]),
    compare("<", x, y),
    compare(">=", x, 1),
    compare("==", x * z, 5),
    compare("!=", x * z, 5),
    negate(compare(">", y, 2)),
    all_of(x <= 4, y <= 2),
    any_of(x > 4, y > 2),
]


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_a_range_covers_every_value_in_the_box(tree):
    builder = SpaceBuilder()
    domains = {"x": range(1, 5), "y": range(-3, 3), "z": [2]}
    points = list(itertools.product(*domains.values()))
    for name, values in domains.items():
        builder.knob(name, values)
    low, high = IntervalAnalysis(BOX).of(tree)
    exact = [
        IntervalAnalysis({n: (float(v), float(v)) for n, v in zip(domains, p, strict=True)}).of(tree)
        for p in points
    ]
    assert all(float(a) == float(b) for a, b in exact), "a point has one value"
    values = [float(a) for a, _ in exact]
    assert float(np.min(low)) <= min(values)
    assert float(np.max(high)) >= max(values)


def test_a_product_whose_known_factors_do_not_divide_the_other_side_is_impossible():
    box = {"p": (3.0, 3.0), "q": (1.0, 64.0)}
    product = Var("p") * Var("q")
    assert float(np.max(IntervalAnalysis(box).of(equal(product, 64))[1])) == 0
    assert float(np.max(IntervalAnalysis(box).of(equal(product, 63))[1])) == 1


def test_a_column_of_boxes_is_judged_row_by_row():
    column = np.array([1.0, 2.0, 3.0])
    possible = IntervalAnalysis({"p": (column, column), "q": (2.0, 5.0)}).of(Var("p") * Var("q") <= 4)[1]
    assert np.asarray(possible).tolist() == [1, 1, 0]


def test_caps_bound_products_beyond_their_factors():
    box = dict.fromkeys("pqr", (1.0, 1000.0)) | {"s": (1.0, 8.0)}
    p, q, r, s = map(Var, "pqrs")
    caps = find_caps([equal(2 * p * q, 1000), equal(r * p, ceil_div(1000, s))], box)
    analysis = IntervalAnalysis(box, caps)
    assert analysis.of(p * q)[1] == 500
    assert analysis.of(p * q * p * q)[1] == 250_000
    assert analysis.of(p * r * s)[1] == 1007
    assert IntervalAnalysis(box).of(p * q)[1] == 1_000_000
