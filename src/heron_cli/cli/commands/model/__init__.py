"""`heron model`: what is learned from records, for other shapes and other machines."""

from __future__ import annotations

import click

from heron_cli.cli.lazy import LazyGroup


@click.group("model", cls=LazyGroup, package=__name__)
def command() -> None:
    """Train, export and import cost models that warm up the tuning of new shapes."""
