"""`heron records export`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from heron_cli.cli import output
from heron_cli.cli.options import FILE, db_option


@click.command("export")
@db_option
@click.option("--workload", metavar="KEY", help="Only records of this workload.")
@click.option("--target", metavar="NAME", help="Only records of this accelerator.")
@click.option(
    "--out", type=FILE, metavar="FILE", help="File to write, instead of stdout; it must not exist yet."
)
def command(db: Path, workload: str | None, target: str | None, out: Path | None) -> None:
    """Write records as JSON lines, for `heron records import` elsewhere."""
    from heron_cli.errors import InputError
    from heron_cli.records import Query, Store

    query = Query(workload=workload, target=target)
    with Store.open(db, read_only=True) as store:
        if out is None:
            store.export_jsonl(sys.stdout, query)
            return
        try:
            with out.open("x", encoding="utf-8") as file:
                count = store.export_jsonl(file, query)
        except FileExistsError:
            raise InputError(f"{out}: exists already; choose another file for --out") from None
    output.note(f"{out}: {count} records")
