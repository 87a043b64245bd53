"""Kinds of values that options take; a bad one is a usage error that says what would be right."""

from __future__ import annotations

import re
from typing import Any

import click

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class Duration(click.ParamType):
    """A time: `90`, `90s`, `5m`, `1h`; the value is a float of seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds. Fails for anything that is not a positive number and a unit."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|)", str(value).strip())
        seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
        if seconds <= 0:
            self.fail(f"'{value}' is not a time above 0, like 90s, 5m or 1h", param, ctx)
        return seconds


class Pairs(click.ParamType):
    """`name=value,…`; the value is a dict of texts."""

    name = "name=value,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """A dict in the order given. Fails for an entry without `=` and for a name given twice."""
        if isinstance(value, dict):
            return value
        pairs: dict[str, str] = {}
        for entry in filter(None, (part.strip() for part in str(value).split(","))):
            name, equals, text = (part.strip() for part in entry.partition("="))
            if not (equals and name and text):
                self.fail(f"'{entry}' is not of the form name=value", param, ctx)
            if name in pairs:
                self.fail(f"'{name}' is given twice", param, ctx)
            pairs[name] = text
        return pairs


class IntegerPairs(Pairs):
    """`name=integer,…`; the value is a dict of integers."""

    name = "name=integer,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As `Pairs`, and fails for a value that is no integer."""
        numbers: dict[str, int] = {}
        for name, text in super().convert(value, param, ctx).items():
            try:
                numbers[name] = int(text)
            except ValueError:
                self.fail(f"'{name}={text}': the value is an integer", param, ctx)
        return numbers
