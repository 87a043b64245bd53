"""`heron report`."""

from __future__ import annotations

from pathlib import Path

import click

from heron_cli.cli import output
from heron_cli.cli.options import FILE, db_option


@click.command("report")
@db_option
@click.option("--workload", metavar="KEY", help="Only records of this workload.")
@click.option("--target", metavar="NAME", help="Only records of this accelerator.")
@click.option(
    "--out",
    type=FILE,
    default=Path("heron-report.html"),
    show_default=True,
    metavar="FILE",
    help="Page to write.",
)
@click.option("--force", is_flag=True, help="Replace the page if it exists.")
def command(db: Path, workload: str | None, target: str | None, out: Path, force: bool) -> None:
    """Write what a database holds as one HTML page: curves, validity, which knobs matter.

    The page is a single file that needs no network. It takes the extra: pip install 'heron-cli[report]'.
    """
    from heron_cli.errors import InputError
    from heron_cli.records import Query, Store
    from heron_cli.report import page

    page.require()
    query = Query(workload=workload, target=target)
    with Store.open(db, read_only=True) as store:
        records, best = store.all(query), store.best(query)
    if not records:
        raise InputError(f"{db}: no such records to report; `heron records list` shows what there is")
    text = page.render(records, best, f"heron: {db.name}")
    try:
        with out.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{out}: exists already; give --force, or another --out") from None
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror})") from error
    output.note(f"{out}: {len(records)} records")
