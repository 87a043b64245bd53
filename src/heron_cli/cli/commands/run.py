"""`heron run`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from heron_cli.cli import options


@click.command("run")
@click.argument("job", metavar="JOB|FILE")
@click.option("--ci", is_flag=True, help="Plain lines, and files for a CI server in --out.")
@click.option(
    "--out",
    type=options.FILE,
    metavar="DIR",
    help="Where summary.json, junit.xml and report.html go. Default with --ci: build/job-NAME.",
)
@options.db_option
@options.runner_options
@options.json_option
def command(
    job: str,
    ci: bool,
    out: Path | None,
    db: Path,
    runner: str,
    tracker: tuple[str, int] | None,
    key: str | None,
    cluster: str | None,
    as_json: bool,
) -> None:
    """Tune the workloads of a job within its budget and hold them to its bar.

    \b
        heron run starter-vta --ci
        heron run ./nightly.yaml --ci --out build/ci

    JOB is a YAML file or the name of a shipped job; docs/jobs.md explains it. The budget is spent where it
    pays most. The exit code is 5 when a workload misses the bar.
    """  # noqa: D301  (click wants the character, not an escape)
    if runner == "replay":
        raise click.UsageError("a job measures: --runner is local, rpc or ray")
    from heron_cli.jobs.job import load

    found = load(job)
    from heron_cli import session
    from heron_cli.cli.job import run_job

    settings = session.Settings(
        trials=found.trials,
        seconds=found.seconds if found.trials is None else None,
        seed=found.seed,
        method=found.method,
        threads=found.threads,
        runner=session.RunnerKind(runner),
        tracker=tracker,
        key=key,
        cluster=cluster,
    )
    out = out or (Path("build") / f"job-{found.name}" if ci else None)
    code = run_job(found, settings, db, out, live=sys.stderr.isatty() and not ci, as_json=as_json)
    if code:
        raise click.exceptions.Exit(code)
