"""`heron export-library`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from heron_cli.cli import inputs, output
from heron_cli.cli.options import FILE, db_option, json_option, target_option

if TYPE_CHECKING:
    from heron_cli.library.item import ExportItem
    from heron_cli.session.exporting import Export


@click.command("export-library")
@click.option("--out", type=FILE, required=True, metavar="DIR", help="Directory to write; must be empty.")
@click.option("--force", is_flag=True, help="Replace the library that is in --out.")
@target_option
@db_option
@click.option("--threads", type=click.IntRange(min=1), help="Only kernels for so many threads.")
@click.option("--workloads", metavar="NAME|FILE", help="Only these workloads, all of which must be there.")
@click.option("--only", metavar="GLOB", multiple=True, help="Of --workloads, those whose names match.")
@click.option(
    "--allow-missing", is_flag=True, help="Write what there is; the manifest lists what is missing."
)
@json_option
def command(
    out: Path,
    force: bool,
    target: str | None,
    db: Path,
    threads: int | None,
    workloads: str | None,
    only: tuple[str, ...],
    allow_missing: bool,
    as_json: bool,
) -> None:
    """Write the best verified kernels as a library that needs neither Python nor heron to run.

    It holds a shared and a static library, a C header, a CMake package, a manifest and a Python loader. Of a
    GPU, the shared library holds the machine code and needs nothing of CUDA but the driver. For an
    accelerator that runs programs, there are these, a driver in C that would feed them to a device, and a
    manifest.
    """
    if only and workloads is None:
        raise click.UsageError("--only chooses among --workloads")
    asked = None if workloads is None else inputs.Asked.check(None, None, None, None, workloads, only)
    from heron_cli import session
    from heron_cli.records import Store

    with Store.open(db, read_only=True) as store:
        machine = inputs.accelerator(target)
        result = session.export(
            store,
            machine,
            out,
            threads=threads,
            workloads=None if asked is None else asked.workloads(machine),
            allow_missing=allow_missing,
            force=force,
        )
    if as_json:
        output.document(_document(result))
    else:
        _print(result)


def _document(result: Export) -> dict[str, Any]:
    return {
        "out": str(result.written.folder),
        "bytes": result.written.bytes,
        "files": list(result.written.files),
        "kernels": [
            {
                "workload": item.workload.key,
                "record": item.record.id,
                "seconds": item.record.trial.measurement.seconds,
                "cycles": item.record.trial.measurement.cycles,
            }
            for item in result.items
        ],
        "unchecked": list(result.written.unchecked),
        "missing": [{"workload": each.workload.key, "reason": each.reason} for each in result.fallbacks],
    }


def _cost(item: ExportItem) -> str:
    """What was measured, or the cycles of a model."""
    measurement = item.record.trial.measurement
    if measurement.seconds is None and measurement.cycles is not None:
        return f"{measurement.cycles:,} cycles"
    return output.duration(measurement.seconds)


def _print(result: Export) -> None:
    rows = [
        (
            item.workload.key,
            _cost(item),
            f"record {item.record.id}",
        )
        for item in result.items
    ]
    output.table(rows)
    for each in result.fallbacks:
        click.echo(f"missing: {each.workload.key}: {each.reason}")
    for key in result.written.unchecked:
        click.echo(f"not run here after linking: {key}")
    written = result.written
    click.echo(
        f"{written.folder}: {written.kernels} kernels, {len(written.files)} files, {written.bytes:,} B"
    )
