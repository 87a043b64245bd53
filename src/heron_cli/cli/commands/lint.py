"""`heron lint`."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

import click

from heron_cli.cli import output
from heron_cli.cli.options import json_option

_PLACE = re.compile(r"(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): (?P<message>.*)", re.DOTALL)
ERROR = "error"


@dataclass(frozen=True, slots=True)
class Found:
    """One finding in a file; `line` and `column` are 0 when it concerns the file as a whole."""

    file: str
    line: int
    column: int
    severity: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.severity}: {self.message}"


@click.command("lint")
@click.argument("files", nargs=-1, required=True, metavar="FILE|NAME…")
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@click.option(
    "--for",
    "workloads",
    metavar="FILE|NAME",
    help="Workloads: find rules that remove nothing from any, and choices that no candidate of any can take.",
)
@json_option
def command(files: tuple[str, ...], strict: bool, workloads: str | None, as_json: bool) -> None:
    """Check accelerator, workload and job YAML; report everything that is wrong with its line and column.

    The exit code is 2 when there is an error.
    """
    findings = {file: _check(file) for file in files}
    if workloads is not None:
        for file, found in findings.items():
            if not any(each.severity == ERROR for each in found):
                found += _idle(file, workloads)
    if as_json:
        output.document([asdict(each) for found in findings.values() for each in found])
    else:
        for file, found in findings.items():
            for each in found:
                click.echo(str(each))
            if not any(each.severity == ERROR for each in found):
                click.echo(f"{file}: no errors")
    fatal = {ERROR, "warning"} if strict else {ERROR}
    if any(each.severity in fatal for found in findings.values() for each in found):
        raise click.exceptions.Exit(2)


def _check(file: str) -> list[Found]:
    """What is wrong with a file, or with a shipped accelerator of that name."""
    from heron_cli.accelerator import catalog
    from heron_cli.accelerator.lint import lint
    from heron_cli.errors import InputError
    from heron_cli.jobs.document import SCHEMA as JOB
    from heron_cli.jobs.job import load as load_job
    from heron_cli.operators.workload import SCHEMA, load_file

    try:
        path = catalog.find(file)
        says = _says(path.read_bytes())
        if says == SCHEMA:
            load_file(path)
            return []
        if says == JOB:
            load_job(str(path))
            return []
        diagnostics = lint(path)
    except (InputError, OSError) as error:
        return [_found(line, file) for line in str(error).splitlines()]
    return [
        Found(each.origin.file, each.origin.line, each.origin.column, str(each.severity), each.message)
        for each in diagnostics
    ]


def _idle(file: str, workloads: str) -> list[Found]:
    """What of an accelerator's file decides nothing for some workloads; nothing for a file of workloads."""
    from heron_cli import session
    from heron_cli.accelerator import catalog
    from heron_cli.cli import inputs
    from heron_cli.operators.workload import SCHEMA

    if _says(catalog.find(file).read_bytes()) == SCHEMA:
        return []
    machine = inputs.accelerator(file)
    asked = inputs.Asked.check(None, None, None, None, workloads, ())
    tasks = [session.make_task(workload, machine) for workload in asked.workloads(machine)]
    return [
        Found(origin.file, origin.line, origin.column, "note", message)
        for origin, message in session.idle(tasks)
    ]


def _says(content: bytes) -> str | None:
    """The schema that the file claims; the loaders say it better when it is something else."""
    match = re.search(rb"^schema:\s*['\"]?([\w/.-]+)", content, re.MULTILINE)
    return match[1].decode() if match else None


def _found(line: str, file: str) -> Found:
    match = _PLACE.fullmatch(line)
    if match is None:
        return Found(file, 0, 0, ERROR, line.removeprefix(f"{file}: "))
    return Found(match["file"], int(match["line"]), int(match["column"]), ERROR, match["message"])
