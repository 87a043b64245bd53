"""Tuning in one process for each slot: pieces of work come from a queue, records go to one database."""

from __future__ import annotations

import multiprocessing
import os
import queue
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.dlboost_operators.cases import Case, workload_of
from benchmarks.dlboost_operators.slots import Slot
from heron_cli.measure.system import die_with_parent

_GRACE = 45.0  # seconds that a trial under way and the ranking may take beyond the end


@dataclass(frozen=True, slots=True)
class Work:
    """Bring one workload to so many trials for a target on so many threads, in at most so many seconds."""

    case: Case
    threads: int
    target: str
    trials: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What all workers share. `until` is a moment of time.monotonic after which nothing is begun."""

    db: Path
    seed: int
    until: float
    rank_again: bool = False


def tune(work: Sequence[Work], slots: Sequence[Slot], plan: Plan) -> None:
    """Do all the work, that for N threads in slots with N cores; returns when it is done or time is up."""
    in_slots(_tuner, work, slots, plan, plan.until + _GRACE)


def in_slots(
    main: Callable[..., None],
    work: Sequence[Any],
    slots: Sequence[Slot],
    plan: Any,
    end: float,
    take: Callable[[Any], None] = lambda result: None,
) -> None:
    """Run `main(queue of work, results, slot, plan)` in a process for each slot.

    Every result is given to `take` as it comes. What still runs at `end`, of time.monotonic, is ended.
    """
    # The new processes import numpy before they know their cores; it would start a thread for every one.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    results: Any = context.Queue()
    queues: dict[int, Any] = {threads: context.Queue() for threads in {each.threads for each in work}}
    for each in work:
        queues[each.threads].put(each)
    chosen = [slot for slot in slots if slot.threads in queues]
    for slot in chosen:
        queues[slot.threads].put(None)  # every process takes one, and ends
    processes = [
        context.Process(target=main, args=(queues[slot.threads], results, slot, plan), daemon=False)
        for slot in chosen
    ]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes) and time.monotonic() < end:
        _drain(results, take, 0.2)
    for process in processes:
        if process.is_alive():
            process.terminate()
        process.join()
    _drain(results, take, 0.0)
    for each in (*queues.values(), results):
        each.cancel_join_thread()


def _drain(results: Any, take: Callable[[Any], None], seconds: float) -> None:
    try:
        while True:
            take(results.get(timeout=seconds) if seconds else results.get_nowait())
    except queue.Empty:
        return


def items(source: Any) -> Any:
    """The work that this process gets."""
    while (each := source.get()) is not None:
        yield each


def settle(slot: Slot) -> None:
    """Keep this process and its children on the slot's cores, and libraries to as many threads.

    It ends with the process that began it: what is left of a killed benchmark would disturb the next.
    """
    if (parent := multiprocessing.parent_process()) is not None:
        die_with_parent(parent.pid or 0)
    os.sched_setaffinity(0, slot.cores)
    os.environ.update(OPENBLAS_NUM_THREADS=str(slot.threads), OMP_NUM_THREADS=str(slot.threads))


def say(text: str) -> None:
    """One line for the user."""
    print(text, file=sys.stderr, flush=True)


def _tuner(source: Any, results: Any, slot: Slot, plan: Plan) -> None:
    settle(slot)
    from heron_cli import session
    from heron_cli.accelerator.loader import load
    from heron_cli.errors import HeronError
    from heron_cli.measure.nurseries import Nurseries
    from heron_cli.records import Store

    with Store.open(plan.db) as store, Nurseries() as nurseries:
        for work in items(source):
            left = plan.until - time.monotonic()
            if left < 1:
                continue
            began = time.monotonic()
            settings = session.Settings(
                trials=work.trials,
                seconds=min(work.seconds, left),
                seed=plan.seed,
                threads=work.threads,
                rank_again=plan.rank_again,
                transfer=False,  # how much another process has recorded by now would decide
            )
            name = f"{work.case.name} {Path(work.target).stem} {work.threads}t"
            try:
                task = session.make_task(workload_of(work.case), load(work.target), work.threads)
                result = session.tune(task, store, settings, nurseries=nurseries)
            except HeronError as error:
                say(f"tune {name}: {error}")
            except Exception:  # one workload must not end the others; the page shows it as missing
                say(f"tune {name}: {traceback.format_exc(limit=-3)}")
            else:
                best = "none" if result.best is None else f"{result.best.cost:.3e} s"
                spent = f"{time.monotonic() - began:.0f} s"
                say(f"tune {name}: {result.trials} trials, {result.invalid} invalid, {best}, {spent}")
