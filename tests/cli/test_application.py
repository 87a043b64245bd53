from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from heron_cli.cli import application
from heron_cli.cli.application import Application, describe
from heron_cli.errors import InputError, NoValidTrialError, RegressionError, SpaceEmptyError

from .conftest import Heron


def failing(error: BaseException) -> Application:
    """An application with one command, `fail`, that raises."""

    class Group(Application):
        def list_commands(self, ctx: click.Context) -> list[str]:
            return ["fail"]

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            real = application.get_command(ctx, "version")
            assert real is not None
            debug = next(each for each in real.params if each.name == "debug")

            def fail() -> None:
                raise error

            return click.Command("fail", callback=fail, params=[debug])

    return Group(name="heron", package="unused", callback=lambda: None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("x.yaml:1:2: bad"), 2),
        (SpaceEmptyError("empty"), 3),
        (NoValidTrialError("none"), 4),
        (RegressionError("slow"), 5),
    ],
)
def test_an_error_of_the_user_is_one_line_and_its_code(error: Exception, code: int) -> None:
    result = CliRunner().invoke(failing(error), ["fail"])
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", f"heron: error: {error}\n")


def test_several_errors_are_a_line_each() -> None:
    error = InputError("a.yaml:1:1: one\na.yaml:2:1: two\n  because")
    result = CliRunner().invoke(failing(error), ["fail"])
    assert result.stderr == "heron: error: a.yaml:1:1: one\nheron: error: a.yaml:2:1: two\n  because\n"


def test_a_bug_is_one_line_and_exit_code_1() -> None:
    result = CliRunner().invoke(failing(KeyError("tile\nm")), ["fail"])
    assert result.exit_code == 1
    assert result.stderr.startswith("heron: error: internal error, a bug of heron's: KeyError: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback() -> None:
    result = CliRunner().invoke(failing(KeyError("tile")), ["fail", "--debug"])
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("heron: error: internal error")


def test_ctrl_c_exits_with_130() -> None:
    result = CliRunner().invoke(failing(KeyboardInterrupt()), ["fail"])
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "heron: error: interrupted"


def test_a_file_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        (tmp_path / "gone").read_text()
    assert describe(caught.value) == (f"{tmp_path}/gone: No such file or directory", 1)


def test_an_unknown_command_names_a_near_one(heron: Heron) -> None:
    result = heron("recrods")
    assert result.exit_code == 2
    assert "no command is called 'recrods', did you mean 'records'?" in result.stderr


def test_every_command_has_help(heron: Heron) -> None:
    context = click.Context(application)
    names = application.list_commands(context)
    assert {"tune", "export-library", "space", "explain", "lint", "targets"} <= set(names)
    assert {"operators", "records", "doctor", "version"} <= set(names)
    for name in names:
        result = heron(name, "--help")
        assert result.exit_code == 0, name
        assert "--debug" in result.stdout
        assert len(result.stdout.split("\n\n")) > 2, f"{name} has no text of its own"


def test_no_arguments_show_help_as_an_error(heron: Heron) -> None:
    result = heron()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Commands:" in result.stderr
