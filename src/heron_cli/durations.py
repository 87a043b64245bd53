"""Times as people write them."""

from __future__ import annotations

import re

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """The seconds in `90`, `90s`, `5m`, `10 min`, `1h`. ValueError for anything else, and for zero."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*(s|m|min|h|)", text.strip())
    found = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if found <= 0:
        raise ValueError(f"'{text}' is not a time above 0, like 90s, 5m or 1h")
    return found
