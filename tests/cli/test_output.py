from __future__ import annotations

import pytest

from heron_cli.cli import output


def test_columns_line_up_and_no_line_ends_in_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([("a", 1, "x"), ("long", 22, "")], ("name", "n", "rest"))
    assert capsys.readouterr().out == "NAME  N   REST\na     1   x\nlong  22\n"


def test_an_empty_table_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([], ("name",))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (4.56e-8, "45.6 ns"),
        (1.23e-5, "12.3 µs"),
        (4.56e-3, "4.56 ms"),
        (7.8, "7.8 s"),
        (200, "3 min 20 s"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert output.duration(seconds) == text


def test_json_refuses_what_is_not_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        output.document({"seconds": float("nan")})
