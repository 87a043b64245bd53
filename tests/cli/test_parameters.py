from __future__ import annotations

import click
import pytest

from heron_cli.cli.parameters import Duration, IntegerPairs, Pairs


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("5 min", 300), ("2h", 7200)]
)
def test_duration(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "5 days", "m", "1e3", "nan"])
def test_duration_refuses(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a time above 0, like 90s"):
        Duration().convert(text, None, None)


def test_pairs_keep_their_order() -> None:
    assert list(Pairs().convert("b=1, a = x", None, None).items()) == [("b", "1"), ("a", "x")]


@pytest.mark.parametrize(
    ("text", "message"),
    [("a", "'a' is not of the form"), ("=1", "not of the form"), ("a=1,a=2", "given twice")],
)
def test_pairs_refuse(text: str, message: str) -> None:
    with pytest.raises(click.BadParameter, match=message):
        Pairs().convert(text, None, None)


def test_integer_pairs() -> None:
    assert IntegerPairs().convert("register.m=8,order=0", None, None) == {"register.m": 8, "order": 0}
    with pytest.raises(click.BadParameter, match="'a=x': the value is an integer"):
        IntegerPairs().convert("a=x", None, None)
