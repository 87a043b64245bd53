"""`heron model import`."""

from __future__ import annotations

from pathlib import Path

import click

from heron_cli.cli import options, output
from heron_cli.cli.options import FILE


@click.command("import")
@click.argument("file", type=FILE)
@options.db_option
def command(file: Path, db: Path) -> None:
    """Keep the model in FILE beside the database, where `heron tune` finds it.

    It serves the operator and the very description of the accelerator that it was trained for.
    """
    from heron_cli.records import Store
    from heron_cli.session import transfer

    model = transfer.read(file)
    with Store.open(db) as store:
        path = transfer.keep(model, store)
    source = f"{model.trials} trials of {len(model.workloads)} workloads"
    output.note(f"{path}: {model.operator} on {model.target}, {source}")
