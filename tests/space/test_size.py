from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.space import Evaluator, SpaceBuilder, equal, pruning, size
from heron_cli.space import size as size_function
from heron_cli.space.size import wilson


def test_a_small_space_is_counted_exactly(small, small_rows):
    found = size(small)
    assert found.exact
    assert found.value == found.low == found.high == len(small_rows)
    assert str(found) == f"{len(small_rows):,}"


def test_a_large_space_is_estimated_with_an_interval(small, small_rows, monkeypatch):
    monkeypatch.setattr("heron_cli.space.tables.JOIN_CAP", 0)  # worse acceptance, so that there is an error
    monkeypatch.setitem(size_function.__globals__, "COUNTED", 10)
    every = [size(small, seed) for seed in range(20)]
    assert sum(found.low <= len(small_rows) <= found.high for found in every) >= 17
    found = every[0]
    assert not found.exact
    assert found.low < found.value < found.high
    assert (found.high - found.low) / found.value < 0.1
    assert str(found).startswith("about ")


def test_uncoupled_knobs_multiply_beyond_any_enumeration():
    builder = SpaceBuilder()
    for k in range(40):
        builder.knob(f"k{k}", range(100))
    found = size(builder.build())
    assert (found.value, found.exact) == (100**40, True)


def test_an_empty_space_has_size_zero():
    builder = SpaceBuilder()
    x = builder.knob("x", [1, 2])
    builder.require("three", equal(x, 3))
    assert size(builder.build()).value == 0


def test_pruning_is_the_share_that_a_rule_alone_removes(small, small_rows, small_grid):
    shares = pruning(small)
    assert list(shares) == [c.label for c in small.constraints]
    for label in shares:
        relaxed = Evaluator(small.without({label})).valid(small_grid).sum()
        exact = 1 - len(small_rows) / relaxed
        # 1.5 times the 95 % interval: one of eight intervals may miss by chance.
        slack = 0.25 * (shares[label].high - shares[label].low)
        assert shares[label].low - slack <= exact <= shares[label].high + slack, label


@given(st.integers(1, 5000), st.floats(0, 1))
def test_the_interval_contains_the_share(tries, part):
    share = wilson(round(part * tries), tries)
    assert 0 <= share.low <= share.value <= share.high <= 1
    assert share.high > share.low


def test_no_try_tells_nothing():
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


@pytest.mark.parametrize("n", [100, 1000])
def test_the_interval_covers_the_truth_about_19_times_in_20(n):
    rng = np.random.default_rng(0)
    covered = [(s := wilson(int(k), n)).low <= 0.07 <= s.high for k in rng.binomial(n, 0.07, 2000)]
    assert 0.92 < np.mean(covered) < 0.98
