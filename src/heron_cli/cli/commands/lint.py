"""`heron lint`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from heron_cli.cli import output
from heron_cli.cli.application import complain
from heron_cli.cli.options import json_option

_PLACE = re.compile(r"(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): (?P<message>.*)", re.DOTALL)


@click.command("lint")
@click.argument("files", nargs=-1, required=True, metavar="FILE|NAME…")
@json_option
def command(files: tuple[str, ...], as_json: bool) -> None:
    """Check accelerator and workload YAML; report every error with its line and column.

    The exit code is 2 when there is an error.
    """
    errors = {file: _check(file) for file in files}
    if as_json:
        output.document(
            [
                {"file": file, "valid": not found, "errors": [_document(line) for line in found]}
                for file, found in errors.items()
            ]
        )
    for file, found in errors.items():
        if found and not as_json:
            complain("\n".join(found))
        elif not as_json:
            click.echo(f"{file}: no errors")
    if any(errors.values()):
        raise click.exceptions.Exit(2)


def _check(file: str) -> list[str]:
    """The lines that are wrong with a file, or with a shipped accelerator of that name."""
    from heron_cli.accelerator import catalog, loader
    from heron_cli.errors import InputError
    from heron_cli.operators.workload import SCHEMA, load_file

    try:
        path = catalog.find(file)
        if _schema(path) == SCHEMA:
            load_file(path)
        else:
            loader.load(path)
    except InputError as error:
        return str(error).splitlines()
    return []


def _schema(path: Path) -> str | None:
    """What the file says it is; the loaders say it better when it is something else."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    match = re.search(r"^schema:\s*['\"]?([\w/.-]+)", text, re.MULTILINE)
    return match[1] if match else None


def _document(line: str) -> dict[str, Any]:
    match = _PLACE.fullmatch(line)
    if match is None:
        return {"file": None, "line": None, "column": None, "message": line}
    return {**match.groupdict(), "line": int(match["line"]), "column": int(match["column"])}
