from __future__ import annotations

import click
import pytest

from heron_cli.cli.parameters import duration, integer_pairs, pairs, percent


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("5 min", 300), ("2h", 7200), (None, None)],
)
def test_duration(text: str | None, seconds: float | None) -> None:
    assert duration(None, None, text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "5 days", "m", "1e3", "nan"])
def test_duration_refuses(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a time above 0, like 90s"):
        duration(None, None, text)


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("2.5 %", 0.025), ("0%", 0.0), (None, None)])
def test_percent(text: str | None, share: float | None) -> None:
    assert percent(None, None, text) == share


@pytest.mark.parametrize("text", ["", "5", "0.05", "-5%", "%", "five%"])
def test_percent_refuses(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a percentage, like 5%"):
        percent(None, None, text)


def test_pairs_keep_their_order() -> None:
    assert list((pairs(None, None, "b=1, a = x") or {}).items()) == [("b", "1"), ("a", "x")]
    assert pairs(None, None, None) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [("a", "'a' is not of the form"), ("=1", "not of the form"), ("a=1,a=2", "given twice")],
)
def test_pairs_refuse(text: str, message: str) -> None:
    with pytest.raises(click.BadParameter, match=message):
        pairs(None, None, text)


def test_integer_pairs() -> None:
    assert integer_pairs(None, None, "register.m=8,order=0") == {"register.m": 8, "order": 0}
    assert integer_pairs(None, None, None) is None
    with pytest.raises(click.BadParameter, match="'a=x': the value is an integer"):
        integer_pairs(None, None, "a=x")
