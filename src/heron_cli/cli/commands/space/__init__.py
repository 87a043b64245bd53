"""`heron space`."""

from __future__ import annotations

import click

from heron_cli.cli.lazy import LazyGroup


@click.group("space", cls=LazyGroup, package=__name__, default="show")
def command() -> None:
    """Show search spaces (`heron space OPERATOR …` is short for `show`), or the difference of two."""
