"""What a process of the benchmark does with a workload: tune it on both sides, or compare them."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.dlboost_operators.slots import Slot
from benchmarks.dlboost_operators.tuning import items, say, settle
from benchmarks.metaschedule import outcome as outcomes
from benchmarks.metaschedule.machines import Machine
from benchmarks.metaschedule.outcome import Outcome, Side
from heron_cli.operators.workload import Workload


@dataclass(frozen=True, slots=True)
class Order:
    """What every process is told: among others how many workloads it will get at most, as far as can be said
    (`rounds`), and the numbers of the GPUs by the first core of the slot that has them (`gpus`).
    """

    stage: str
    machine: Machine
    work: Path
    trials: int
    threads: int
    seed: int
    rivals: int
    until: float
    rounds: int = 1
    gpus: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Work:
    """A workload in a queue."""

    workload: Workload
    threads: int


def worker(source: Any, results: Any, slot: Slot, order: Order) -> None:
    """Do what comes from the queue, on the slot's cores; see `in_slots`."""
    settle(slot)
    os.environ.update(TVM_NUM_THREADS=str(order.threads), TVM_BIND_THREADS="0")
    if order.gpus:  # before anything has asked the driver
        os.environ["CUDA_VISIBLE_DEVICES"] = nth_gpu(order.gpus[slot.cores[0]])
    for number, work in enumerate(items(source)):
        if time.monotonic() > order.until:
            continue
        began, name = time.monotonic(), work.workload.name
        try:
            mine = replace(order, until=began + share(order.until - began, order.rounds - number))
            told = (_tune if order.stage == "tune" else _compare)(work.workload, slot, mine)
        except Exception:  # one workload must not end the others; the page shows it as missing
            told = traceback.format_exc(limit=-4)
        say(f"{order.stage} {name}: {told}, {time.monotonic() - began:.0f} s")


def share(left: float, rounds: int) -> float:
    """Seconds for the next workload: those that follow it get as many, so that none is left without."""
    return left / max(1, rounds)


def nth_gpu(number: int) -> str:
    """The number by which CUDA knows it, among those that this process may use."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return given.split(",")[number].strip() if given else str(number)


def _tune(workload: Workload, slot: Slot, order: Order) -> str:
    from benchmarks.metaschedule import mine, problems, tuning

    folder, kind, db = order.work / workload.name, order.machine, order.work / "heron.db"
    plan = tuning.Plan(order.trials, order.threads, slot.cores, order.seed, order.until)
    kept = outcomes.read(folder) or Outcome(workload.name, order.trials)
    kept.planned = order.trials
    if kind.accelerator:
        began = time.monotonic()
        mine.tune(workload, kind, db, plan)
        wall = kept.heron.wall + time.monotonic() - began
        kept.heron = mine.side(workload, kind, db, order.threads, wall)
        outcomes.write(folder, kept)
    try:
        tuning.tune(problems.problem(workload, kind.tile), kind, folder, plan)
    finally:  # what was tuned before it failed counts
        _count(kept, folder)
        outcomes.write(folder, kept)
    return f"{kept.peer.trials} trials, {kept.peer.share:.0%} failed, best {kept.peer.best}"


def _count(kept: Outcome, folder: Path) -> None:
    """What became of MetaSchedule's trials, those of a process that was ended included."""
    from benchmarks.metaschedule import tuning

    done = tuning.Progress.read(folder / "progress.json")
    failed = {"build": done.build_errors, "run": done.run_errors}
    kept.peer = Side(done.trials, failed, done.reasons, done.wall, done.best)
    drawn, bred = tuning.refusals(folder)
    kept.drawn = (drawn.passed, dict(drawn.refused))
    kept.bred = (bred.passed, dict(bred.refused))


def _compare(workload: Workload, slot: Slot, order: Order) -> str:
    from benchmarks.metaschedule import tuning

    if order.machine.gpu:
        from benchmarks.metaschedule.gpu import measure
    else:
        from benchmarks.metaschedule.processor import measure
    folder = order.work / workload.name
    kept = outcomes.read(folder)
    if kept is None:
        return "not tuned"
    _count(kept, folder)
    os.sched_setaffinity(0, slot.cores[: order.threads])
    plan = tuning.Plan(order.trials, order.threads, slot.cores, order.seed, order.until)
    try:
        found = measure(workload, order.machine, folder, order.work / "heron.db", plan, order.rivals)
    except Exception as error:
        kept.failure = f"{type(error).__name__}: {error}"[:300]
        outcomes.write(folder, kept)
        raise
    kept.times, kept.wrong, kept.how, kept.failure = found.times, found.wrong, found.how, ""
    kept.machine = _machine(order.machine, slot.cores[0])
    outcomes.write(folder, kept)
    return str({name: f"{seconds * 1e6:.2f} us" for name, seconds in found.times.items()} | found.wrong)


def _machine(kind: Machine, core: int) -> str:
    found = machine.describe(core)
    parts = [found["CPU"], found["packages"], f"heron {found['heron']}"]
    if kind.gpu:
        import torch

        parts[:1] = [torch.cuda.get_device_name(0), f"PyTorch {torch.__version__}"]
    return "; ".join(parts)
