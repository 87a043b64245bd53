"""`heron doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from heron_cli.cli import output
from heron_cli.cli.options import json_option

if TYPE_CHECKING:
    from heron_cli.doctor import Finding, Verdict


@click.command("doctor")
@click.option(
    "--target", metavar="NAME|FILE", help="Ask about this accelerator only; default: all that ship."
)
@json_option
def command(target: str | None, as_json: bool) -> None:
    """Say what this machine can measure, how steadily, and why not if not.

    The exit code is 2 when nothing that was asked about can be measured here.
    """
    from dataclasses import asdict

    from heron_cli import doctor
    from heron_cli.accelerator import catalog
    from heron_cli.accelerator.loader import load

    accelerators = [load(target)] if target else [load(entry.name) for entry in catalog.entries()]
    findings, verdicts = doctor.examine(), doctor.verdicts(accelerators)
    broken = any(each.level is doctor.Level.PROBLEM for each in findings)
    usable = [each.target for each in verdicts if not each.reasons and not broken]
    if as_json:
        output.document(
            {
                "findings": [asdict(each) for each in findings],
                "targets": [{**asdict(each), "measurable": each.target in usable} for each in verdicts],
            }
        )
    else:
        _print(findings, verdicts, usable)
    if not usable:
        raise click.exceptions.Exit(2)


def _print(findings: list[Finding], verdicts: list[Verdict], usable: list[str]) -> None:
    output.table([(each.name, each.value) for each in findings])
    concerns = [each for each in findings if each.advice]
    if concerns:
        click.echo()
    for each in concerns:
        click.echo(f"{each.level}: {each.name}: {each.value}; {each.advice}")
    click.echo()
    for verdict in verdicts:
        if verdict.target in usable:
            click.echo(f"{verdict.target}: can be measured here")
        else:
            reasons = "; ".join(verdict.reasons) or "see the problem above"
            click.echo(f"{verdict.target}: cannot be measured here: {reasons} (--build-only works)")
