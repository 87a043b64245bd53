"""Callbacks that read the values of options; a bad one is a usage error that says what would be right."""

from __future__ import annotations

import re

import click

from heron_cli.durations import seconds


def duration(context: click.Context | None, option: click.Parameter | None, text: str | None) -> float | None:
    """The seconds in `90`, `90s`, `5m`, `1h`. Fails for anything that is not a number above 0 and a unit."""
    if text is None:
        return None
    try:
        return seconds(text)
    except ValueError as error:
        raise click.BadParameter(str(error), context, option) from None


def percent(context: click.Context | None, option: click.Parameter | None, text: str | None) -> float | None:
    """The share in `5%`, `2.5 %` or `0%`. Fails for anything else: 0.05 could mean two things."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip())
    if match is None:
        raise click.BadParameter(f"'{text}' is not a percentage, like 5%", context, option)
    return float(match[1]) / 100


def pairs(
    context: click.Context | None, option: click.Parameter | None, text: str | None
) -> dict[str, str] | None:
    """`name=value,…` as a dict in the order given. Fails for an entry without `=` and a name given twice."""
    if text is None:
        return None
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (part.strip() for part in entry.partition("="))
        if not (equals and name and value):
            raise click.BadParameter(f"'{entry}' is not of the form name=value", context, option)
        if name in found:
            raise click.BadParameter(f"'{name}' is given twice", context, option)
        found[name] = value
    return found


def integer_pairs(
    context: click.Context | None, option: click.Parameter | None, text: str | None
) -> dict[str, int] | None:
    """As `pairs`, with integers for values."""
    numbers: dict[str, int] = {}
    for name, value in (pairs(context, option, text) or {}).items():
        try:
            numbers[name] = int(value)
        except ValueError:
            message = f"'{name}={value}': the value is an integer"
            raise click.BadParameter(message, context, option) from None
    return numbers if text is not None else None


def address(
    context: click.Context | None, option: click.Parameter | None, text: str | None
) -> tuple[str, int] | None:
    """`HOST:PORT` as a pair. Fails for anything else."""
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise click.BadParameter(
            f"'{text}' is not of the form host:port, like 127.0.0.1:9190", context, option
        )
    return host.strip("[]"), int(port)
