"""Which share of MetaSchedule's candidates is valid; nothing is run, so any machine can tell.

`python -m benchmarks.metaschedule.sampling` draws from the spaces of benchmarks/exploration, for DL Boost and
for TensorCore, adds them to exploration/tables/validity.json, and writes a section of the exploration page.
Heron's own candidates of the same workloads are drawn and built beside them.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import sections
from benchmarks.exploration.beds import X86_BEDS
from benchmarks.exploration.validity import PARTS, RECORDED, built, shares_of
from benchmarks.metaschedule import logs, mend
from benchmarks.metaschedule.building import plain_builds
from benchmarks.metaschedule.machines import MACHINES, Machine
from benchmarks.metaschedule.problems import Problem as Given
from benchmarks.metaschedule.problems import problem
from benchmarks.metaschedule.tuning import count, space, telling
from benchmarks.native import HERE
from heron_cli import session
from heron_cli.accelerator.loader import load
from heron_cli.operators.workload import Workload, make

if TYPE_CHECKING:
    from heron_cli.schedule.task import Task
    from heron_cli.search.problem import Problem

SPACES = ("dlboost", "tensorcore")
# by default 512, 50 and 4; the share of refused children is what is asked for, and most are refused on GPUs
_POPULATION, _LEAST, _GENERATIONS = 64, 16, 2
_BUILD_SECONDS = 900.0  # on a busy machine, too, only what never ends counts as too slow
_HALF = {"input": "float16", "weight": "float16", "accumulate": "float32", "output": "float16"}
_BYTES = {"input": "uint8", "weight": "int8", "accumulate": "int32", "output": "int32"}


@dataclass(slots=True)
class Drawn:
    """Candidates that were drawn, those refused before a build (by whom), those built, those that failed."""

    passed: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    built: int = 0
    failed: dict[str, int] = field(default_factory=dict)


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += record.getMessage().splitlines()


class Peer:
    """MetaSchedule's candidates of a workload."""

    def __init__(self, machine: Machine, made: Given, cores: int, seed: int) -> None:
        self._ms, self._machine, self._module, self._cores = mend.load(), machine, made.module, cores
        self._target, self._handler = machine.tvm_target(1), _Lines()
        logger = logging.getLogger("benchmarks.metaschedule.sampling")
        logger.handlers, logger.propagate = [self._handler], False
        logger.setLevel(logging.INFO)
        self._generator = space(self._ms, machine)
        self._context = self._ms.TuneContext(
            mod=self._module,
            target=self._target,
            space_generator=self._generator,
            search_strategy=self._ms.search_strategy.EvolutionarySearch(
                population_size=_POPULATION, init_min_unmeasured=_LEAST, genetic_num_iters=_GENERATIONS
            ),
            num_threads=cores,
            rand_state=seed + 1,
            logger=logger,
        )
        self._designs = self._context.generate_design_space()

    def draw(self, number: int) -> Any:
        """A schedule whose decisions are drawn one by one, as the first population is; designs take turns."""
        from tvm.s_tir import Schedule
        from tvm.s_tir.schedule import Trace

        design = self._designs[number % len(self._designs)]
        schedule = Schedule(self._module, seed=number + 1)
        Trace(design.trace.insts, {}).apply_to_schedule(schedule, remove_postproc=True)
        return schedule

    def refusal(self, schedule: Any) -> str | None:
        """The postprocessor that refuses a schedule; all are applied to it in order."""
        refused = (each for each in self._generator.postprocs if not each.apply(schedule))
        return next((type(each).__name__ for each in refused), None)

    def uniform(self, draws: int, builds: int) -> Drawn:
        """Independent draws."""
        found, modules = Drawn(), []
        for number in range(draws):
            schedule = self.draw(number)
            refusal = self.refusal(schedule)
            if refusal is None:
                found.passed += 1
                modules.append(schedule.mod)
            else:
                count(found.refused, refusal)
        self._build(modules[:builds], found)
        return found

    def bred(self, builds: int) -> Drawn:
        """A batch as it would be measured; without times, the fittest are drawn by lot."""
        self._handler.lines.clear()
        self._context.pre_tuning(builds, builds, self._designs)
        batch = self._context.generate_measure_candidates() or []
        self._context.post_tuning()
        _, bred = logs.read(self._handler.lines, _POPULATION)
        found = Drawn(bred.passed, dict(bred.refused))
        self._build([candidate.sch.mod for candidate in batch], found)
        return found

    def _build(self, modules: Sequence[Any], found: Drawn) -> None:
        ms = self._ms
        builder = ms.builder.LocalBuilder(
            max_workers=self._cores,
            timeout_sec=_BUILD_SECONDS,
            f_build=plain_builds(self._machine.gpu),
            initializer=partial(mend.begin_worker, ()),
        )
        for result in builder.build([ms.builder.BuilderInput(each, self._target) for each in modules]):
            found.built += 1
            if result.error_msg:
                count(found.failed, telling(str(result.error_msg)))


def ours(task: Task, problem: Problem, builds: int, seed: int) -> Drawn:
    """Heron's candidates of the workload, from all variants alike, built in this process."""
    from heron_cli.backends import registry
    from heron_cli.backends.base import BuildError

    backend, rng, found = registry.get(task.accelerator.backend), np.random.default_rng(seed), Drawn()
    for place, variant in enumerate(problem.variants):
        share = builds // len(problem.variants) + (place < builds % len(problem.variants))
        for row in variant.sampler.sample(share, rng):
            found.passed += 1
            found.built += 1
            try:
                backend.build(task, variant.candidate(row), threads=1)
            except BuildError as error:
                count(found.failed, str(error)[:160])
    return found


class Space:
    """A workload on a machine, and the parts of its entry in the file."""

    def __init__(self, machine: Machine, workload: Workload, options: argparse.Namespace) -> None:
        self._machine, self._workload, self._options = machine, workload, options
        self._task = session.make_task(workload, load(machine.accelerator))
        self._problem = session.problem(self._task, session.Settings())

    @cached_property
    def _peer(self) -> Peer:
        given = problem(self._workload, self._machine.tile)
        return Peer(self._machine, given, self._options.cores, self._options.seed)

    def part(self, name: str) -> dict[str, Any]:
        """One of PARTS."""
        draws, builds, seed = self._options.draws, self._options.builds, self._options.seed
        if name == "knobs":
            shares = shares_of(self._task, self._problem)
            return {key: asdict(share) for key, share in shares.items()}
        if name == "heron":
            return asdict(ours(self._task, self._problem, builds, seed))
        return asdict(self._peer.uniform(draws, builds) if name == "uniform" else self._peer.bred(builds))


def main() -> None:
    """Draw and build what the file does not hold yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", choices=SPACES, action="append")
    parser.add_argument("--only", default="", help="spaces whose name contains this")
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--builds", type=int, default=48)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "exploration.md")
    options = parser.parse_args()
    for name in options.target or SPACES:
        machine = MACHINES[name]
        for bed, operator, shape in (each for each in X86_BEDS if options.only in each[0]):
            key = f"{machine.accelerator} {bed}"
            recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
            entry = recorded.setdefault(key, {})
            space = Space(machine, make(operator, shape, dtypes=_HALF if machine.gpu else _BYTES), options)
            for part in (each for each in PARTS if each not in entry):
                began = time.monotonic()
                entry[part] = space.part(part)
                RECORDED.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")
                print(f"{key}, {part}: {time.monotonic() - began:.0f} s", flush=True)
    sections.put(options.out, built())


if __name__ == "__main__":
    main()
