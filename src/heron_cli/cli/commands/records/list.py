"""`heron records list`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from heron_cli.cli import output
from heron_cli.cli.options import db_option, json_option

if TYPE_CHECKING:
    from heron_cli.records import Record

STATUSES = ("ok", "build-error", "run-error", "timeout", "wrong-result", "device-lost")


@click.command("list")
@db_option
@click.option("--workload", metavar="KEY", help="Only records of this workload.")
@click.option("--operator", metavar="NAME", help="Only records of this operator.")
@click.option("--target", metavar="NAME", help="Only records of this accelerator.")
@click.option("--status", type=click.Choice(STATUSES), help="Only records with this status.")
@click.option("--best", is_flag=True, help="Only the best verified record of each workload.")
@json_option
def command(
    db: Path,
    workload: str | None,
    operator: str | None,
    target: str | None,
    status: str | None,
    best: bool,
    as_json: bool,
) -> None:
    """List records, oldest first."""
    from heron_cli.records import Query, Store
    from heron_cli.trial import Status

    query = Query(workload, operator, target, status=Status(status) if status else None)
    with Store.open(db, read_only=True) as store:
        found = store.best(query) if best else store.all(query)
    if as_json:
        output.document([_document(record) for record in found])
    elif not found:
        output.note(f"{db}: no records match")
    else:
        output.table(
            [_row(each) for each in found],
            ("id", "workload", "target", "status", "time", "checked", "created"),
        )


def _document(record: Record) -> dict[str, Any]:
    return {"id": record.id, **record.to_json()}


def _row(record: Record) -> tuple[object, ...]:
    measurement = record.trial.measurement
    time = output.duration(measurement.seconds)
    if measurement.seconds is None and measurement.cycles is not None:
        time = f"{measurement.cycles} cycles"
    checked = "yes" if measurement.verified else "no"
    return (record.id, record.workload, record.target, measurement.status, time, checked, record.created[:19])
