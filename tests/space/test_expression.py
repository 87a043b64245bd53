from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from heron_cli.space import (
    FALSE,
    TRUE,
    Compare,
    Const,
    Product,
    Sum,
    Var,
    all_of,
    any_of,
    at_most,
    ceil_div,
    compare,
    different,
    divides,
    equal,
    implies,
    maximum,
    minimum,
    negate,
    one_of,
    product,
    select,
    to_prose,
    total,
)

x, y, z = Var("x"), Var("y"), Var("z")


def test_sums_and_products_flatten_and_fold_their_constants():
    assert (x + 1) + (y + 2) == Sum((x, y, Const(3)))
    assert (2 * x) * (3 * y) == Product((Const(6), x, y))
    assert x * 0 == Const(0)
    assert x + 0 == x
    assert product([]) == Const(1)
    assert total([]) == Const(0)
    assert x - x != Const(0)  # no algebra beyond folding


def test_division_folds_and_refuses_divisors_that_are_not_positive():
    assert Const(7) // 2 == Const(3)
    assert ceil_div(7, 2) == Const(4)
    assert ceil_div(-7, 2) == Const(-3)
    assert Const(-7) % 4 == Const(1)
    assert x // 1 == x
    assert x % 1 == Const(0)
    with pytest.raises(ValueError, match="a divisor must be positive, got 0"):
        x // 0


def test_extremes_merge_their_numbers():
    assert minimum(minimum(x, 7), 3, y) == minimum(x, y, 3)
    assert maximum(4, 9) == Const(9)
    assert minimum(x, x) == x


def test_a_selection_with_a_known_index_is_its_case():
    assert select(1, [x, y]) == y
    with pytest.raises(ValueError, match="the selection has 2 cases, so no case 2"):
        select(2, [x, y])


def test_conditions_on_numbers_are_true_or_false_and_vanish_from_conjunctions():
    assert compare("<", 1, 2) == TRUE
    assert at_most(3, 2) == FALSE
    assert all_of(at_most(1, 2), x <= 3) == (x <= 3)
    assert all_of(x <= 3, FALSE) == FALSE
    assert any_of(x <= 3, TRUE) == TRUE
    assert negate(negate(x <= 3)) == (x <= 3)
    assert one_of(x, []) == FALSE


def test_a_condition_has_no_truth_value():
    with pytest.raises(TypeError, match="no truth value"):
        assert 1 <= x <= 3
    with pytest.raises(TypeError, match="expected a condition, got True; == and != compare trees"):
        all_of(x <= 3, y != 2)


def test_an_operand_must_be_a_whole_number():
    with pytest.raises(TypeError, match=r"expected a whole number or an expression, got 1\.5"):
        x + 1.5
    with pytest.raises(ValueError, match="unknown comparison '=<'"):
        compare("=<", x, 1)


def test_trees_compare_by_structure():
    assert x * y + 1 == Var("x") * Var("y") + 1
    assert hash(x * y + 1) == hash(Var("x") * Var("y") + 1)
    assert x * y != y * x
    assert equal(x, y) == Compare("==", x, y)


def test_a_pickled_tree_is_equal_in_a_process_with_other_string_hashes():
    tree = (x * y + 1) <= 32
    hash(tree)
    script = (
        "import pickle, sys; from heron_cli.space import Var; tree = pickle.load(sys.stdin.buffer); "
        "print({(Var('x') * Var('y') + 1) <= 32: 'found'}[tree])"
    )
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", script], input=pickle.dumps(tree), env=environment, capture_output=True
        )
        assert done.stdout.strip() == b"found", done.stderr.decode()


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (x * y + y + 1 <= 32, "x * y + y + 1 <= 32"),
        ((x + 1) * y - 3 * z - 5, "(x + 1) * y - 3 * z - 5"),
        (x - y * z - y, "x - y * z - y"),
        (-x + y, "-1 * x + y"),
        (x // (y * 2) % 4, "x // (2 * y) % 4"),
        (x // y * z, "x // y * z"),
        (x * (y // z), "x * (y // z)"),
        (ceil_div(x + 1, y), "ceil((x + 1) / y)"),
        (divides(16, x + y), "16 divides x + y"),
        (at_most(x, 147_456), "x <= 147,456"),
        (select(x, [y, minimum(y, 2)]), "[y, min(y, 2)][x]"),
        (
            implies(x > 1, all_of(different(y, 2), maximum(y, z) < 3)),
            "if x > 1 then y != 2 and max(y, z) < 3",
        ),
        (negate(any_of(x < 1, y < 1)), "not (x < 1 or y < 1)"),
        (all_of(any_of(x < 1, y < 1), z < 1), "(x < 1 or y < 1) and z < 1"),
    ],
)
def test_prose(tree, text):
    assert to_prose(tree) == text
