"""Which share of MetaSchedule's candidates is valid; nothing is run, so any machine can tell.

`python -m benchmarks.metaschedule.sampling` draws from the spaces of benchmarks/exploration, for DL Boost and
for TensorCore, and adds them to exploration/tables/validity.json, whose table the exploration page shows.
Heron's own candidates of the same workloads are drawn and built beside them.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from benchmarks.exploration.beds import X86_BEDS
from benchmarks.exploration.validity import RECORDED
from benchmarks.metaschedule import logs, mend
from benchmarks.metaschedule.building import plain_builds
from benchmarks.metaschedule.machines import MACHINES, Machine
from benchmarks.metaschedule.problems import Problem, problem
from benchmarks.metaschedule.tuning import BUILD_SECONDS, count, space, telling
from heron_cli.operators.workload import Workload, make

SPACES = ("dlboost", "tensorcore")
_POPULATION, _GENERATIONS = 128, 2  # 512 and 4 by default; the share of refused children is what is asked for
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

    def __init__(self, machine: Machine, made: Problem, cores: int, seed: int) -> None:
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
                population_size=_POPULATION, genetic_num_iters=_GENERATIONS
            ),
            num_threads=cores,
            rand_state=seed + 1,
            logger=logger,
        )
        self._designs = self._context.generate_design_space()

    def uniform(self, draws: int, builds: int) -> Drawn:
        """Every decision drawn by itself, as the first population is; the designs take turns."""
        from tvm.s_tir import Schedule
        from tvm.s_tir.schedule import Trace

        found, modules = Drawn(), []
        for number in range(draws):
            design = self._designs[number % len(self._designs)]
            schedule = Schedule(self._module, seed=number + 1)
            Trace(design.trace.insts, {}).apply_to_schedule(schedule, remove_postproc=True)
            refused = next((p for p in self._generator.postprocs if not p.apply(schedule)), None)
            if refused is None:
                found.passed += 1
                modules.append(schedule.mod)
            else:
                count(found.refused, type(refused).__name__)
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
            timeout_sec=BUILD_SECONDS,
            f_build=plain_builds(self._machine.gpu),
            initializer=partial(mend.begin_worker, ()),
        )
        for result in builder.build([ms.builder.BuilderInput(each, self._target) for each in modules]):
            found.built += 1
            if result.error_msg:
                count(found.failed, telling(str(result.error_msg)))


def ours(machine: Machine, workload: Workload, builds: int, seed: int) -> Drawn:
    """Heron's candidates of the workload, from all variants alike, built in this process."""
    import numpy as np

    from heron_cli import session
    from heron_cli.accelerator.loader import load
    from heron_cli.backends import registry
    from heron_cli.backends.base import BuildError

    task = session.make_task(workload, load(machine.accelerator))
    variants = session.problem(task, session.Settings()).variants
    backend, rng, found = registry.get(task.accelerator.backend), np.random.default_rng(seed), Drawn()
    for place, variant in enumerate(variants):
        share = builds // len(variants) + (place < builds % len(variants))
        for row in variant.sampler.sample(share, rng):
            found.passed += 1
            found.built += 1
            try:
                backend.build(task, variant.candidate(row), threads=1)
            except BuildError as error:
                count(found.failed, str(error)[:160])
    return found


def main() -> None:
    """Draw and build what the file does not hold yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", choices=SPACES, action="append")
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--builds", type=int, default=48)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    for machine in (MACHINES[name] for name in options.target or SPACES):
        for name, operator, shape in X86_BEDS:
            key = f"{machine.accelerator} {name}"
            if key in recorded:
                continue
            began = time.monotonic()
            workload = make(operator, shape, dtypes=_HALF if machine.gpu else _BYTES)
            peer = Peer(machine, problem(workload, machine.tile), options.cores, options.seed)
            recorded[key] = {
                "uniform": asdict(peer.uniform(options.draws, options.builds)),
                "bred": asdict(peer.bred(options.builds)),
                "heron": asdict(ours(machine, workload, options.builds, options.seed)),
            }
            RECORDED.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")
            print(f"{key}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
