from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heron_cli.measure.text import last_line, of_exception, one_line


@given(st.text())
def test_the_result_is_one_printable_line(text: str) -> None:
    for found in (one_line(text, 20), last_line(text, 20)):
        assert len(found) <= 20
        assert found.isprintable()


def test_first_and_last_line_skip_blanks() -> None:
    text = "\n  \n first\t\x1b[31m\nmiddle\nlast \n\n"
    assert one_line(text).startswith("first")
    assert last_line(text) == "last"


def test_exceptions_without_a_message_are_named() -> None:
    assert of_exception(KeyError("x")) == "KeyError: 'x'"
    assert of_exception(MemoryError()) == "MemoryError"
