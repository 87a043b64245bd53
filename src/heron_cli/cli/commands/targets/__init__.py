"""`heron targets`: the accelerators in YAML."""

from __future__ import annotations

import click

from heron_cli.cli import output
from heron_cli.cli.lazy import LazyGroup


@click.group("targets", cls=LazyGroup, package=__name__, invoke_without_command=True)
@click.option("--schema", is_flag=True, help="Write the JSON Schema of accelerator YAML, for editors.")
@click.option("--json", "as_json", is_flag=True, help="Write exactly one JSON document to stdout.")
@click.pass_context
def command(context: click.Context, schema: bool, as_json: bool) -> None:
    """List the accelerators that ship; show one; print the schema of their YAML."""
    if schema:
        from heron_cli.accelerator.schema import json_schema

        output.document(json_schema())
        context.exit()
    if context.invoked_subcommand is None:
        from .list import command as listing

        context.invoke(listing, as_json=as_json)
