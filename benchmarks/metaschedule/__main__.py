"""Tune the same workloads with TVM's MetaSchedule and with heron, compare side by side, tell what failed.

    python -m benchmarks.metaschedule --target dlboost
    python -m benchmarks.metaschedule --target tensorcore --gpus 4 --trials 128 --until 540 --out PAGE

Both tuners have the same trials, cores and threads. Workloads lie in folders of --work, and everything goes
on where it stopped. --until ends it in time, of which every workload gets an equal part. 128 trials of a
workload on a GPU take both tuners about 5 min on 16 cores: all six some 8 min on three or four GPUs with 16
cores each. Stages: `tune`, `compare` (on a quiet machine), `page` (the section "TVM MetaSchedule" of the page
--out, which that page's own script keeps).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from benchmarks import sections
from benchmarks.dlboost_operators.limits import together
from benchmarks.dlboost_operators.slots import Slot, apart, physical
from benchmarks.dlboost_operators.tuning import in_slots
from benchmarks.exploration.beds import unavailable
from benchmarks.metaschedule import outcome as outcomes
from benchmarks.metaschedule import page
from benchmarks.metaschedule.machines import MACHINES
from benchmarks.metaschedule.work import Order, Work, worker

REGRESSION = 5
NEEDED = ("xgboost", "psutil", "cloudpickle")  # by MetaSchedule
STAGES = ("tune", "compare", "page")
_GRACE = {"tune": 100.0, "compare": 60.0}  # what is under way when the time is up may take so long


def main() -> int:
    """Run the stages; 5 when the bar is missed, 2 where the machine is another one."""
    options = _options()
    if options.gpus < 1:
        print(f"error: --gpus {options.gpus}: at least one is needed", file=sys.stderr)
        return 2
    machine, stages = MACHINES[options.target], options.stage or STAGES
    if machine.accelerator and stages != ["page"] and (why := unavailable(machine.accelerator)):
        print(f"error: {machine.accelerator} cannot be measured here: {'; '.join(why)}", file=sys.stderr)
        return 2
    if "tune" in stages and (lacking := [name for name in NEEDED if find_spec(name) is None]):
        print(f"error: {', '.join(lacking)} is missing; install the extra 'metaschedule'", file=sys.stderr)
        return 2
    work = options.work / machine.name
    work.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + options.until
    chosen = [each for each in machine.workloads() if options.only in each.name]
    part, parts = map(int, options.part.split("/"))
    gpus = {}
    if machine.gpu:  # a workload at a time on each, built on its share of all logical cores
        cores = sorted(os.sched_getaffinity(0))[: options.jobs][part::parts]
        slots = gpu_slots(cores, len(chosen[part::parts]), options.gpus, options.threads)
        if options.gpus > 1:
            gpus = {slot.cores[0]: number for number, slot in enumerate(slots)}
    else:
        slots = shares(apart(physical(), together)[: options.jobs], len(chosen[part::parts]), options.threads)
    rounds = -(-len(chosen[part::parts]) // len(slots))
    for stage in (each for each in ("tune", "compare") if each in stages):
        until = end if "compare" not in stages or stage == "compare" else end - options.until * 0.15
        order = Order(
            stage, machine, work, options.trials, options.threads, options.seed, options.rivals, until,
            rounds, gpus,
        )  # fmt: skip
        in_slots(worker, [Work(each, options.threads) for each in chosen[part::parts]], slots, order,
                 until + _GRACE[stage])  # fmt: skip
    if "page" not in stages:
        return 0
    found = outcomes.read_all(work, machine.chosen)
    lines = page.section(machine, found)
    if options.out is None:
        print("\n".join(lines))
    else:
        sections.put(options.out, lines)
    return REGRESSION if page.missed(machine, found) else 0


def shares(cores: list[int], workloads: int, threads: int) -> list[Slot]:
    """Equal shares of the cores, one for each workload that is tuned at a time."""
    several = max(1, min(workloads, len(cores) // threads))
    size = len(cores) // several
    return [Slot(threads, tuple(cores[i * size : (i + 1) * size])) for i in range(several)]


def gpu_slots(cores: list[int], workloads: int, gpus: int, threads: int) -> list[Slot]:
    """One slot for each GPU; no more than are needed to be done as soon, so that each has more cores."""
    rounds = -(-max(1, workloads) // gpus)
    needed = -(-max(1, workloads) // rounds)
    return [Slot(threads, tuple(cores[i::needed])) for i in range(needed)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", choices=sorted(MACHINES), required=True)
    parser.add_argument("--stage", choices=STAGES, action="append", help="default: all, in order")
    parser.add_argument("--trials", type=int, default=192, help="of each tuner and workload (default: 192)")
    parser.add_argument("--threads", type=int, default=1, help="of the kernels")
    parser.add_argument("--jobs", type=int, help="cores to use (default: all)")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs to use at a time (default: 1)")
    parser.add_argument("--part", default="0/1", help="I/N: every N-th workload from the I-th on")
    parser.add_argument("--until", type=float, default=86400, help="seconds after which nothing is begun")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--rivals", type=int, default=4, help="of MetaSchedule's fastest to compare")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=page.WORK)
    parser.add_argument("--out", type=Path, help="the page to put the section into (default: print it)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
