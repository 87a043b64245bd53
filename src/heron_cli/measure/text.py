"""One-line texts out of whatever a compiler, a kernel or an exception says."""

from __future__ import annotations

_LIMIT = 300


def one_line(text: str, limit: int = _LIMIT) -> str:
    """The first line of `text` that is not blank, without control characters, cut to `limit` characters."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    return shorten("".join(char if char.isprintable() else " " for char in line).strip(), limit)


def last_line(text: str, limit: int = _LIMIT) -> str:
    """The last line of `text` that is not blank, like `one_line`."""
    return one_line(next((line for line in reversed(text.splitlines()) if line.strip()), ""), limit)


def shorten(text: str, limit: int) -> str:
    """`text`, with an ellipsis for its end when it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def of_exception(error: BaseException) -> str:
    """Type and message of an exception in one line."""
    message = one_line(str(error))
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
