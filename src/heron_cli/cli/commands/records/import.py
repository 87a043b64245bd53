"""`heron records import`."""

from __future__ import annotations

from pathlib import Path

import click

from heron_cli.cli import output
from heron_cli.cli.options import FILE, db_option, json_option


@click.command("import")
@click.argument("files", type=FILE, nargs=-1, required=True, metavar="FILE…")
@db_option
@json_option
def command(files: tuple[Path, ...], db: Path, as_json: bool) -> None:
    """Add the records of JSON-lines files to --db; those that it has already are skipped."""
    from heron_cli.records import Store

    with Store.open(db) as store:
        added = {str(file): store.import_jsonl(file) for file in files}
    if as_json:
        output.document({"added": sum(added.values()), "files": added})
        return
    for file, count in added.items():
        click.echo(f"{file}: {count} new records")
