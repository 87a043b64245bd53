"""`heron version`."""

from __future__ import annotations

import click

from heron_cli.cli import output
from heron_cli.cli.options import json_option


@click.command("version")
@json_option
def command(as_json: bool) -> None:
    """Show the versions of heron and of what it stands on."""
    from heron_cli.records.versions import current_versions

    versions = current_versions()
    if as_json:
        output.document(versions)
        return
    click.echo(f"heron {versions['heron']}")
    output.table([(name, version) for name, version in versions.items() if name != "heron"])
