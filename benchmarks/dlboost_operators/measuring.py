"""The best kernel of each workload, exported as a library, against oneDNN in another process, in turns."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.dlboost_operators.calm import Calm
from benchmarks.dlboost_operators.cases import Case, workload_of
from benchmarks.dlboost_operators.limits import Level, again, level_of, levels, to_levels
from benchmarks.dlboost_operators.results import Results, label, line
from benchmarks.dlboost_operators.side import Side
from benchmarks.dlboost_operators.slots import Slot
from benchmarks.dlboost_operators.tuning import in_slots, items, say, settle
from benchmarks.native import HERE, BenchmarkError
from benchmarks.onednn import VNNI, library, problem, wheels
from benchmarks.peak import VPDPBUSD, Together

_GRACE = 90.0
_REST = (0.004, 0.06)
"""Seconds after a burst, of one thread and of more: workers of GNU's OpenMP spin before they sleep, for
300,000 pauses, which took 12 ms of an AMD EPYC and are longer on Intel's, and would do so beside the other
side's."""


@dataclass(frozen=True, slots=True)
class Match:
    """What was seen in one pair of processes.

    Each burst is oneDNN's seconds per call, heron's, and the peak of the cores together in operations
    per second, the least of before, between and after; `memory` is the level that the operands lie in
    (`limits.Level`), measured right after them all.
    """

    bursts: tuple[tuple[float, float, float], ...]
    exact: tuple[bool, bool]
    implementation: str
    memory: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """Compare one workload, tuned for `target` on so many threads, with oneDNN or another target's kernel.

    `against`: that target; or what the oneDNN in the folder `onednn` is called; the usual one where empty.
    `instruction`: whose peak on registers (`peak.burst`) sets the limit.
    """

    case: Case
    threads: int
    target: str
    against: str = ""
    instruction: str = VPDPBUSD
    onednn: str = ""

    @property
    def label(self) -> str:
        """What the comparison is called in the results."""
        return label(self.case, self.against)


@dataclass(frozen=True, slots=True)
class Plan:
    """How: `processes` times with new buffers, `rounds` of bursts of `seconds`, `most` seconds in all.

    `calm`: only in calm moments, with the highest peak that is known of so many threads.
    """

    db: Path
    libraries: Path
    until: float
    processes: int = 2
    rounds: int = 15
    seconds: float = 0.02
    most: float = 6.0
    isa: str = VNNI  # the highest instruction set of oneDNN
    memory: Mapping[int, Sequence[Level]] = field(default_factory=dict)  # levels by number of threads
    caches: Mapping[str, int] = field(default_factory=dict)
    calm: Mapping[int, float] | None = None


def compare(
    results: Results, work: Sequence[Work], slots: Sequence[Slot], plan: Plan, save: Callable[[], None]
) -> None:
    """Compare all, and keep in the results what is found as it comes, by `save`.

    So are what is to be said of the machine, and bandwidths, which are measured unless they are known.
    """
    from heron_cli.backends.x86.host import Host

    caches = Host().cache_sizes()
    results.machine = machine.describe(slots[0].cores[0])
    for slot in slots:
        key = str(slot.threads)
        if key not in results.memory:
            results.memory[key] = [asdict(each) for each in levels(slot.cores, caches)]
    memory = {int(key): to_levels(found) for key, found in results.memory.items()}
    save()
    for root in {each.onednn for each in work}:
        library.build(root)  # once, before several processes need it

    def take(result: tuple[str, int, list[dict[str, object]] | str]) -> None:
        results.put(*result)
        save()
        say(line(results, *result[:2]))

    whole = replace(plan, memory=memory, caches=caches)
    in_slots(_measurer, work, slots, whole, plan.until + _GRACE, take)


def _measurer(source: Any, results: Any, slot: Slot, plan: Plan) -> None:
    settle(slot)
    from heron_cli.errors import HeronError

    for work in items(source):
        if plan.until < time.monotonic():
            continue
        try:
            matches = _matches(work, plan, slot)
            if matches is None:
                continue
            found: Any = [asdict(match) for match in matches]
        except (HeronError, BenchmarkError) as error:
            found = str(error)
        except Exception:  # one workload must not end the others; the page shows the reason
            found = traceback.format_exc(limit=-3)
        if isinstance(found, str):
            say(f"measure {work.label} {work.threads}t: {found}")
        results.put((work.label, work.threads, found))


def _matches(work: Work, plan: Plan, slot: Slot) -> list[Match] | None:
    """The comparisons; None when the time is up before the cores were calm for them all."""
    spawn = multiprocessing.get_context("spawn")
    # a process for each workload, as exporting loads the library, and glibc has room for some 75 in one
    with ProcessPoolExecutor(1, spawn, settle, (slot,)) as exporter:
        ours = exporter.submit(_export, work, work.target, plan).result()
        theirs = ["--onednn", "--isa", plan.isa]
        if work.against and not work.onednn:
            theirs = ["--library", str(exporter.submit(_export, work, work.against, plan).result())]
    paths = [str(HERE.parent / "src"), os.environ.get("PYTHONPATH", "")]
    # plain pages for every buffer: numpy would ask for huge ones for its large arrays only
    # and a core for each thread of oneDNN, so that the system never puts two on one
    environment = {**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0", "OMP_PROC_BIND": "true"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    if work.onednn:
        environment[wheels.ROOT] = work.onednn
    sides = (theirs, ["--library", str(ours)])
    matches = []
    for seed in range(plan.processes):
        compared = partial(_match, work, plan, slot.cores, sides, seed, environment)
        match = compared() if plan.calm is None else _in_calm(compared, work, plan, slot.cores)
        if match is None:
            return None
        matches.append(match)
    return matches


def _in_calm(compared: Callable[[], Match], work: Work, plan: Plan, cores: Sequence[int]) -> Match | None:
    """A comparison that began in a calm moment and was calm for most of its own; None when time is up."""
    calm = Calm((plan.calm or {}).get(work.threads, 0.0))
    while True:
        with closing(Together(cores[: work.threads], work.instruction)) as together:
            if not calm.wait(together.burst, plan.until):
                return None
        match = compared()
        if calm.holds([peak for _, _, peak in match.bursts]):
            return match


def _match(
    work: Work,
    plan: Plan,
    cores: Sequence[int],
    sides: tuple[list[str], list[str]],
    seed: int,
    environment: Mapping[str, str],
) -> Match:
    level = level_of(problem(work.case), plan.memory[work.threads])
    common = ["--case", work.case.name, "--threads", str(work.threads), "--seed", str(seed)]
    with (
        Side.start([*common, *sides[0]], dict(environment)) as theirs,
        Side.start([*common, *sides[1]], dict(environment)) as ours,
    ):
        calls = [max(1, round(plan.seconds / side.estimate)) for side in (theirs, ours)]
        length = sum(max(plan.seconds, side.estimate) for side in (theirs, ours))
        rounds = max(5, min(plan.rounds, int(plan.most / plan.processes / length)))
        with closing(Together(cores[: work.threads], work.instruction)) as together:

            def peak() -> float:
                time.sleep(_REST[work.threads > 1])
                return together.burst()

            def one(before: float) -> tuple[float, float, float]:
                a, between, b = theirs.burst(calls[0]), peak(), ours.burst(calls[1])
                return a, b, min(before, between, peak())

            bursts = tuple(one(peak()) for _ in range(rounds))
        memory = asdict(again(level, cores, plan.caches, 2))
        return Match(bursts, (theirs.exact, ours.exact), theirs.name, memory)


def _export(work: Work, target: str, plan: Plan) -> Path:
    """A library of this comparison with this one kernel; a process opens only one."""
    from heron_cli import session
    from heron_cli.accelerator.loader import load
    from heron_cli.records import Store

    name = "".join(c if c.isalnum() else "-" for c in f"{work.label} {Path(target).stem}")
    folder = plan.libraries / f"{name}-{work.threads}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Store.open(plan.db, read_only=True) as store:
        session.export(store, load(target), folder, threads=work.threads, workloads=[workload_of(work.case)])
    return folder.resolve()
