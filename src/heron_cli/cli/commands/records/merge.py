"""`heron records merge`."""

from __future__ import annotations

from pathlib import Path

import click

from heron_cli.cli import output
from heron_cli.cli.options import FILE, db_option, json_option


@click.command("merge")
@click.argument("others", type=FILE, nargs=-1, required=True, metavar="DATABASE…")
@db_option
@json_option
def command(others: tuple[Path, ...], db: Path, as_json: bool) -> None:
    """Add the records of other databases to --db; those that it has already are skipped."""
    from heron_cli.records import Store

    with Store.open(db) as store:
        added = {str(other): store.merge(other) for other in others}
    if as_json:
        output.document({"added": sum(added.values()), "files": added})
        return
    for other, count in added.items():
        click.echo(f"{other}: {count} new records")
