"""`heron targets list`."""

from __future__ import annotations

import click

from heron_cli.cli import output
from heron_cli.cli.options import json_option


@click.command("list")
@json_option
def command(as_json: bool) -> None:
    """List the accelerators that ship with heron, and whether this machine can measure them."""
    from heron_cli import doctor
    from heron_cli.accelerator import catalog
    from heron_cli.accelerator.loader import load

    found = [load(entry.name) for entry in catalog.entries()]
    verdicts = {each.target: each.reasons for each in doctor.verdicts(found)}
    if as_json:
        output.document(
            [
                {
                    "name": each.name,
                    "description": each.description,
                    "backend": each.backend,
                    "file": str(each.file),
                    "measurable": not verdicts[each.name],
                    "reasons": list(verdicts[each.name]),
                }
                for each in found
            ]
        )
        return
    rows = [(each.name, "yes" if not verdicts[each.name] else "no", each.description) for each in found]
    output.table(rows, ("name", "measurable here", "description"))
