"""`heron model export`."""

from __future__ import annotations

from pathlib import Path

import click

from heron_cli.cli import inputs, options, output
from heron_cli.cli.options import FILE


@click.command("export")
@click.argument("operator")
@options.target_option
@options.db_option
@options.threads_option
@click.option("--out", type=FILE, required=True, metavar="FILE", help="File to write; it must not exist yet.")
def command(operator: str, target: str | None, db: Path, threads: int, out: Path) -> None:
    """Write the model of OPERATOR as one file, for `heron model import` elsewhere.

    The one that `heron model train` or `import` left beside the database; else one is trained now.
    """
    from heron_cli.errors import InputError
    from heron_cli.operators import registry
    from heron_cli.records import Store
    from heron_cli.session import transfer

    registry.get(operator)
    machine = inputs.accelerator(target)
    with Store.open(db, read_only=True) as store:
        model = transfer.kept(operator, machine, store)
        model = model or transfer.train(operator, machine, store, threads=threads)
    if model is None:
        raise InputError(
            f"{db}: no model, and no trials of {operator} on {machine.name} that make one: "
            "`heron model train` says more"
        )
    transfer.write(model, out)
    output.note(f"{out}: {model.trials} trials of {len(model.workloads)} workloads")
