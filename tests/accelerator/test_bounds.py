from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_cli.accelerator.bounds import interval, truth
from heron_cli.accelerator.expression import parse
from heron_cli.accelerator.loader import load

VTA = load(Path(__file__).parent / "files" / "vta.yaml")


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("7 - 2 * 3", (1, 1)),
        ("memories.input.bytes", (32768, 32768)),
        ("limits.pad // 4", (3, 3)),
        ("intrinsic.k", (16, 16)),
        ("tile.m", (1, math.inf)),
        ("thread.m", (1, 2)),
        ("thread.m * 4 - thread.n", (2, 7)),
        ("-tile.m", (-math.inf, -1)),
        ("tile.m * 0", (0, 0)),
        ("tile.m % 4", (0, 3)),
        ("-7 // 2", (-4, -4)),
        ("tile.m // 2", (0, math.inf)),
        ("2 // tile.m", (0, 2)),
        ("-2 // tile.m", (-2, -1)),
        ("min(tile.m, 4)", (1, 4)),
        ("max(tile.m, 4)", (4, math.inf)),
        ("4 // (tile.m - 1)", (-math.inf, math.inf)),
    ],
)
def test_intervals(text: str, bounds: tuple[float, float]) -> None:
    assert interval(parse(text), VTA) == bounds


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("tile.m >= 1", True),
        ("tile.m > 1", None),
        ("tile.m <= 0", False),
        ("thread.m <= 2", True),
        ("thread.m > 2", False),
        ("1 <= thread.m < 3", True),
        ("tile.m == tile.m", None),
        ("1 == 1", True),
        ("1 != 1", False),
        ("tile.m != 0", True),
        ("tile.m in (0, -1)", False),
        ("2 in (tile.m, 2)", True),
        ("tile.m > 1 or 1 < 2", True),
        ("tile.m > 1 and 1 > 2", False),
        ("tile.m > 1 and 1 < 2", None),
        ("not tile.m >= 1", False),
    ],
)
def test_truth(text: str, value: bool | None) -> None:
    assert truth(parse(text), VTA) is value


NUMBER = st.integers(-20, 20).map(str)
TERM = st.recursive(
    st.one_of(NUMBER, st.just("thread.m"), st.just("thread.n")),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(inner, st.sampled_from(["//", "%"]), st.integers(1, 9)).map(
            lambda p: f"({p[0]} {p[1]} {p[2]})"
        ),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
    ),
    max_leaves=6,
)


@given(TERM, st.integers(1, 2), st.integers(1, 2))
@settings(max_examples=300)
def test_the_interval_holds_every_value(text: str, m: int, n: int) -> None:
    low, high = interval(parse(text), VTA)
    value = eval(
        text.replace("thread.m", str(m)).replace("thread.n", str(n))
    )  # text of this test's own making
    assert low <= value <= high
