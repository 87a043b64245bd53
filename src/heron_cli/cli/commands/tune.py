"""`heron tune`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from heron_cli.cli import inputs, options
from heron_cli.cli.parameters import duration, integer_pairs, percent

DEFAULT_TRIALS = 64


@click.command("tune")
@options.workload_options
@options.target_option
@options.db_option
@click.option(
    "--trials", type=click.IntRange(min=1), help="Trials per workload. Default: 64, or as --time allows."
)
@click.option("--time", "seconds", callback=duration, metavar="TIME", help="Time per workload: 90s, 5m, 1h.")
@click.option(
    "--stop-at-gap",
    "gap",
    callback=percent,
    metavar="PERCENT",
    help="Stop once the best is within this of the bound of any kernel: 5%.",
)
@click.option(
    "--transfer/--no-transfer",
    default=True,
    show_default=True,
    help="Warm up from the records of the operator's other shapes, or from an imported model.",
)
@click.option(
    "--rank-again",
    is_flag=True,
    help="Compare the best few side by side once more; all such rankings count.",
)
@options.seed_option
@options.threads_option
@click.option("--jobs", type=click.IntRange(min=1), help="Processes that build. Default: as cores allow.")
@click.option(
    "--method",
    metavar="NAME",
    default="cga",
    show_default=True,
    help="Search method; docs/cli.md lists them.",
)
@options.sampler_option
@options.runner_options
@click.option(
    "--build-only", is_flag=True, help="Build candidates without running them; nothing is recorded."
)
@click.option(
    "--set", "fixed", callback=integer_pairs, metavar="KNOB=N,…", help="Try only these values of knobs."
)
@options.json_option
def command(
    asked: inputs.Asked,
    target: str | None,
    db: Path,
    trials: int | None,
    seconds: float | None,
    gap: float | None,
    transfer: bool,
    rank_again: bool,
    seed: int,
    threads: int,
    jobs: int | None,
    method: str,
    sampler: str,
    runner: str,
    tracker: tuple[str, int] | None,
    key: str | None,
    cluster: str | None,
    build_only: bool,
    fixed: Mapping[str, int] | None,
    as_json: bool,
) -> None:
    """Find the fastest kernel of each workload by measuring, and record every trial.

    \b
        heron tune gemm --target dlboost --shape m=128,n=768,k=768
        heron tune --workloads networks/resnet50 --only 'conv*' --time 5m

    A run that was interrupted or killed goes on where it stopped when the same command is given again.
    """  # noqa: D301  (click wants the character, not an escape)
    if build_only and runner != "local":
        raise click.UsageError("--build-only runs nothing, so there is nothing for --runner to choose")
    from heron_cli import session

    kind = session.RunnerKind.BUILD_ONLY if build_only else session.RunnerKind(runner)
    settings = session.Settings(
        trials=DEFAULT_TRIALS if trials is None and seconds is None else trials,
        seconds=seconds,
        seed=seed,
        method=method,
        threads=threads,
        jobs=jobs,
        sampler=sampler,
        runner=kind,
        gap=gap,
        transfer=transfer,
        rank_again=rank_again,
        tracker=tracker,
        key=key,
        cluster=cluster,
        fixed=fixed or {},
    )
    settings.check()
    machine = inputs.accelerator(target, measured=kind is session.RunnerKind.LOCAL)
    from heron_cli.cli.tuning import tune_all

    tasks = [session.make_task(workload, machine, threads) for workload in asked.workloads(machine)]
    tune_all(tasks, settings, db, as_json=as_json)
