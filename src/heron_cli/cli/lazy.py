"""A click group whose commands are the modules of a package, imported only when asked for."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

import click


def _set_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and isinstance(context.obj, dict):
        context.obj["debug"] = True


class LazyGroup(click.Group):
    """Every module of `package` is a command of the module's name, with dashes; its object is `command`.

    With `default`, that command is meant where none of them is named.
    """

    def __init__(self, *, package: str, default: str | None = None, **options: Any) -> None:
        """Commands come from the modules of the package named `package`."""
        super().__init__(**options)
        self._package = package
        self._default = default

    def spelt_out(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments, with the default command named where none is."""
        if self._default is None or (args and args[0] in (*self.list_commands(ctx), "--help")):
            return args
        return [self._default, *args]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's, after naming the default command."""
        return super().parse_args(ctx, self.spelt_out(ctx, args))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the modules, sorted; nothing but the package itself is imported."""
        path = import_module(self._package).__path__
        names = (module.name for module in pkgutil.iter_modules(path))
        return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, with `--debug` added; None when there is no such module."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"{self._package}.{cmd_name.replace('-', '_')}").command
        if not any(parameter.name == "debug" for parameter in command.params):
            command.params.append(_debug_option())
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, but an unknown command's error names the commands that there are."""
        name, known = args[0], self.list_commands(ctx)
        if not name.startswith("-") and name not in known and not ctx.resilient_parsing:
            ctx.fail(f"no command is called '{name}'{_similar(name, known)}; there are: {', '.join(known)}")
        return super().resolve_command(ctx, args)


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=_set_debug,
        help="Show the traceback of an error.",
    )


def _similar(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f", did you mean '{close[0]}'?" if close else ""
