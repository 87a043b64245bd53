"""`heron records`: what was measured."""

from __future__ import annotations

import click

from heron_cli.cli.lazy import LazyGroup


@click.group("records", cls=LazyGroup, package=__name__)
def command() -> None:
    """List, export, import and merge the records of trials."""
