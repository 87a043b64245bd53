"""The first stage: search every workload, with one set of build processes' imports for all of them."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from heron_cli.accelerator.loader import load
from heron_cli.errors import HeronError
from heron_cli.measure.nurseries import Nurseries
from heron_cli.operators.workload import Workload, load_file
from heron_cli.records import Store
from heron_cli.schedule.task import Task
from heron_cli.search.events import ignore
from heron_cli.search.result import TuneResult
from heron_cli.session import Settings, make_runner, make_task, open_search

_CONFIGS = Path(__file__).parents[2] / "configs" / "workloads"


def chosen(arguments: argparse.Namespace) -> Iterator[tuple[str, Workload]]:
    """The workloads of this part, with the name of the file that each is from."""
    part, parts = (int(number) for number in arguments.part.split("/"))
    every = [(name, workload) for name in arguments.workloads for workload in load_file(_file(name))]
    for name, workload in every[part::parts]:
        if arguments.only in workload.name:
            yield Path(name).stem, workload


def _file(name: str) -> Path:
    for path in (Path(name), _CONFIGS / f"{name}.yaml", _CONFIGS / "networks" / f"{name}.yaml"):
        if path.is_file():
            return path
    raise SystemExit(f"there is no workload file '{name}'")


def tune_all(arguments: argparse.Namespace) -> None:
    """Tune what is not tuned yet; a workload that fails is told and the next one begun."""
    accelerator = load(arguments.target)
    settings = Settings(
        trials=arguments.trials, seconds=arguments.seconds, seed=arguments.seed, jobs=arguments.jobs
    )
    started = time.monotonic()
    with Nurseries() as nurseries, Store.open(arguments.db) as store:
        for name, workload in chosen(arguments):
            if arguments.until is not None and time.monotonic() - started > arguments.until:
                return
            began = time.monotonic()
            task = make_task(workload, accelerator)
            tried = len(store.trials(workload.key, accelerator.digest, 1))
            if arguments.skip_tuned is not None and tried >= arguments.skip_tuned:
                continue
            try:
                result = _tune(task, store, settings, nurseries)
            except HeronError as error:
                print(f"{name} {workload.name}: {error}", file=sys.stderr, flush=True)
                continue
            print(f"{name} {workload.name}: {_told(result)}, {time.monotonic() - began:.0f} s", flush=True)


def _tune(task: Task, store: Store, settings: Settings, nurseries: Nurseries) -> TuneResult:
    runner = make_runner(task, settings, store, nurseries)  # its processes start while the spaces are built
    try:
        with open_search(task, store, settings, ignore) as search:
            while search.step(runner) is None:
                pass
            return search.finish(runner)
    finally:
        runner.close()


def _told(result: TuneResult) -> str:
    assert result.best is not None and result.best.cost is not None
    invalid = sum(record.trial.measurement.status.value != "ok" for record in result.records)
    spent = ", ".join(f"{what} {seconds:.1f}" for what, seconds in result.seconds_spent.items())
    return (
        f"{result.best.cost * 1e6:.2f} us, {result.best.trial.candidate.variant}, "
        f"{len(result.records)} trials, {invalid} invalid ({spent} s)"
    )
