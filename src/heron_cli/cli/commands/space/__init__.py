"""`heron space`."""

from __future__ import annotations

import click

from heron_cli.cli.lazy import LazyGroup

SHOW = "show"


class _Space(LazyGroup):
    """`heron space gemm …` is `heron space show gemm …`: most of the time one space is looked at."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the command's name where none is given."""
        if not args or args[0] not in (*self.list_commands(ctx), "--help"):
            args = [SHOW, *args]
        return super().parse_args(ctx, args)


@click.group("space", cls=_Space, package=__name__)
def command() -> None:
    """Show search spaces (`heron space OPERATOR …` is short for `show`), or the difference of two."""
