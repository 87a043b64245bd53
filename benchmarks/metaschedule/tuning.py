"""One workload tuned by MetaSchedule: its own rules, search, cost model (XGBoost), builder and runner."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.metaschedule import logs, mend
from benchmarks.metaschedule.building import plain_builds, use_nvcc
from benchmarks.metaschedule.machines import Machine
from benchmarks.metaschedule.problems import Problem

BATCH = 64  # trials between two looks at the model, MetaSchedule's default
BUILD_SECONDS, RUN_SECONDS = 60.0, 30.0
_NUMBER = re.compile(r"\d+")
_LOGGER = "tvm.s_tir.meta_schedule"


@dataclass(slots=True)
class Progress:
    """What became of the trials so far; kept beside MetaSchedule's own database."""

    trials: int = 0
    build_errors: int = 0
    run_errors: int = 0
    best: float | None = None  # seconds per call, as MetaSchedule measured it
    wall: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Progress:
        """What the file holds; nothing yet where there is none."""
        if not path.exists():
            return cls()
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        """Replace the file."""
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)))
        fresh.replace(path)

    def take(self, build: Any, run: Any) -> None:
        """Count one candidate."""
        self.trials += 1
        if build.error_msg:
            self.build_errors += 1
            count(self.reasons, "build: " + telling(str(build.error_msg)))
        elif run.error_msg:
            self.run_errors += 1
            count(self.reasons, "run: " + telling(str(run.error_msg)))
        else:
            seconds = min(map(float, run.run_secs))
            self.best = seconds if self.best is None else min(self.best, seconds)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to tune: on how many threads the kernels run, on which of the `cores` they are measured (the first
    ones), and the moment of time.monotonic after which no batch is begun.
    """

    trials: int
    threads: int
    cores: tuple[int, ...]
    seed: int
    until: float


def tune(problem: Problem, machine: Machine, folder: Path, plan: Plan) -> Progress:
    """Bring the workload to so many trials; what `folder` holds counts."""
    ms = mend.load()
    folder.mkdir(parents=True, exist_ok=True)
    progress = Progress.read(folder / "progress.json")
    left = plan.trials - progress.trials
    if left <= 0 or time.monotonic() > plan.until:
        return progress
    watch = _watch(ms, progress, folder / "progress.json", plan.until)
    logging.getLogger(_LOGGER).setLevel(logging.WARNING)  # of what it prints; its files get all
    os.environ.update(TVM_NUM_THREADS=str(plan.threads), TVM_BIND_THREADS="0")
    if machine.gpu:
        use_nvcc()
    try:
        ms.tune_tir(
            problem.module,
            machine.tvm_target(plan.threads),
            str(folder),
            left,
            num_trials_per_iter=min(BATCH, left),
            builder=ms.builder.LocalBuilder(
                max_workers=len(plan.cores),
                timeout_sec=BUILD_SECONDS,
                f_build=plain_builds(machine.gpu),
                initializer=partial(mend.begin_worker, plan.cores),
            ),
            runner=ms.runner.LocalRunner(
                timeout_sec=RUN_SECONDS,
                initializer=partial(mend.begin_worker, plan.cores[: plan.threads]),
            ),
            measure_callbacks=[*ms.measure_callback.MeasureCallback.create("default"), watch],
            space=space(ms, machine),
            num_tuning_cores=len(plan.cores),
            seed=plan.seed + progress.trials + 1,
        )
    except Exception:
        if time.monotonic() <= plan.until:  # otherwise it is `watch` that ends the run
            raise
    return progress


def space(ms: Any, machine: Machine) -> Any:
    """MetaSchedule's generator of schedules for this machine: its default rules."""
    kind = machine.rules
    return ms.space_generator.PostOrderApply(sch_rules=kind, postprocs=kind, mutator_probs=kind)


def refusals(folder: Path) -> tuple[logs.Refusals, logs.Refusals]:
    """Of candidates drawn at random and of those bred, as the log in the folder of a tuned workload says."""
    lines = [
        line for path in sorted((folder / "logs").glob("*task_0*")) for line in path.read_text().splitlines()
    ]
    return logs.read(lines)


def best_records(ms: Any, folder: Path, count: int) -> Sequence[Any]:
    """The fastest candidates of a tuned workload."""
    database = ms.database.JSONDatabase(
        path_workload=str(folder / "database_workload.json"),
        path_tuning_record=str(folder / "database_tuning_record.json"),
    )
    timed = [each for each in database.get_all_tuning_records() if each.run_secs]
    return sorted(timed, key=lambda each: float(min(each.run_secs)))[:count]


def count(reasons: dict[str, int], reason: str) -> None:
    """One more of this reason."""
    reasons[reason] = reasons.get(reason, 0) + 1


def telling(message: str) -> str:
    """The line that says what is wrong, without numbers that differ from candidate to candidate."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    complaints = [line.partition(": error: ")[2] for line in lines if ": error: " in line]
    if complaints:  # of a compiler: the first; a failed check of TVM stands at the end
        return _NUMBER.sub("N", f"nvcc: {complaints[0]}")[:160]
    marked = [line for line in lines if re.search("error|check failed|timeout", line, re.IGNORECASE)]
    return _NUMBER.sub("N", (marked or lines or ["no message"])[-1])[:160]


def _watch(ms: Any, progress: Progress, path: Path, until: float) -> Any:
    from tvm.ir.utils import derived_object

    began, before = time.monotonic(), progress.wall

    @derived_object
    class Watch(ms.measure_callback.PyMeasureCallback):  # type: ignore[misc]
        def apply(self, scheduler: Any, task: int, candidates: Any, builds: Any, runs: Any) -> None:
            for build, run in zip(builds, runs, strict=True):
                progress.take(build, run)
            progress.wall = before + time.monotonic() - began
            progress.write(path)
            if time.monotonic() > until:
                raise TimeoutError("the time of this benchmark is up")

    return Watch()
