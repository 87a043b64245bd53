"""What goes to stdout: one JSON document, or aligned plain text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click


def document(value: Any) -> None:
    """Write the one JSON document of a `--json` run."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def table(rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> None:
    """Write rows as columns that line up; the last column is left ragged."""
    lines = [[str(cell) for cell in row] for row in rows]
    if header and lines:
        lines.insert(0, [name.upper() for name in header])
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))] if lines else []
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())


def note(message: str) -> None:
    """Tell the user something that is not the result: stderr, so that stdout stays the result."""
    click.echo(f"heron: {message}", err=True)


def duration(seconds: float | None) -> str:
    """A time for people: 45.6 ns, 12.3 µs, 4.56 ms, 7.8 s, 3 min 20 s."""
    if seconds is None:
        return "-"
    for limit, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s")):
        if seconds < limit:
            return f"{seconds * factor:.4g} {unit}"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
