"""The CI files that the documentation offers are YAML, run commands that exist and keep the database."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from heron_cli.cli import application
from heron_cli.jobs.job import names

FOLDER = Path(__file__).parents[2] / "docs" / "ci"


def commands(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [line for item in value.values() for line in commands(item)]
    if isinstance(value, list):
        return [line for item in value for line in commands(item)]
    return [str(value)] if str(value).startswith("heron ") else []


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_commands_parse_and_the_database_is_kept(name: str) -> None:
    content = yaml.safe_load((FOLDER / name).read_text())
    lines = commands(content)
    assert any(line.startswith("heron run ") for line in lines)
    for line in lines:
        command, *arguments = shlex.split(line)[1:]
        found = application.get_command(click.Context(application, obj={}), command)
        assert found is not None
        with found.make_context(command, arguments) as context:
            if command == "run":
                assert context.params["job"] in names()
                assert context.params["ci"]
    assert str(content).count("heron.db") >= 1
