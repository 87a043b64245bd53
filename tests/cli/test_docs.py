"""The commands that the documentation shows exist, with these options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from heron_cli.cli import application
from heron_cli.cli.lazy import LazyGroup

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def shown(page: Path) -> list[str]:
    """The whole commands in a page's shell blocks; those with an ellipsis are not meant to be typed."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("heron ") and "…" not in line]


COMMANDS = [(page.name, line) for page in PAGES for line in shown(page)]


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_commands_parse(page: str, line: str) -> None:
    arguments = shlex.split(line, comments=True)[1:]
    context = click.Context(application, info_name="heron", obj={})
    group: click.Command = application
    while isinstance(group, LazyGroup) and (arguments := group.spelt_out(context, arguments)):
        name = arguments.pop(0)
        found = group.get_command(context, name)
        assert found is not None, f"{page}: no command {name}"
        group = found
    with group.make_context(group.name, arguments, parent=context):
        pass  # a wrong option, or a value of the wrong kind, has raised UsageError


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) >= 5
