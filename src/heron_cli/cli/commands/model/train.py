"""`heron model train`."""

from __future__ import annotations

from pathlib import Path

import click

from heron_cli.cli import inputs, options, output


@click.command("train")
@click.argument("operator")
@options.target_option
@options.db_option
@options.threads_option
@options.json_option
def command(operator: str, target: str | None, db: Path, threads: int, as_json: bool) -> None:
    """Train a cost model on all records of OPERATOR, keep it beside the database, and say how good it is.

    For every workload: how well a model of the others ranks its trials (Spearman's correlation, 1 is
    perfect). `heron tune` with the same database uses the model for shapes that it has no records of.
    """
    from heron_cli.errors import InputError
    from heron_cli.operators import registry
    from heron_cli.records import Store
    from heron_cli.search.prior import MINIMUM_TRIALS
    from heron_cli.session import transfer

    registry.get(operator)
    machine = inputs.accelerator(target)
    with Store.open(db, read_only=True) as store:
        told = transfer.examples(operator, machine, store, threads=threads)
        model = transfer.train(operator, machine, store, threads=threads)
        if model is None:
            count = sum(len(trials) for variants in told.values() for _, trials in variants)
            told_of = f"{db}: {count} trials of {operator} on {machine.name} (this version of everything)"
            if count >= MINIMUM_TRIALS:
                raise InputError(
                    f"{told_of}; what some shapes teach does not hold for the others, which "
                    "the accelerator's estimate alone predicts better: no model is of use"
                )
            raise InputError(f"{told_of}; a model needs {MINIMUM_TRIALS}, so tune some shapes first")
        ranks = transfer.quality(told, operator, machine)
        path = transfer.keep(model, store)
    if as_json:
        output.document(
            {
                "model": str(path),
                "trials": model.trials,
                "workloads": list(model.workloads),
                "rank_correlation": ranks,
            }
        )
        return
    click.echo(f"{path}: {model.trials} trials of {len(model.workloads)} workloads")
    if ranks:
        rows = [(key, f"{value:.2f}") for key, value in ranks.items()]
        output.table(rows, ("workload", "rank correlation when left out"))
