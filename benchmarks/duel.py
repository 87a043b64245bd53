"""One workload, oneDNN against heron's exported library, in a process of its own.

``python -m benchmarks.duel --library DIR --case NAME`` writes one JSON document; ``--null`` puts a second
oneDNN primitive in heron's place and so shows how far ratios stray by themselves.

Where buffers lie in physical memory moves times by percents, whatever is measured (two equal primitives
for 1×1000×2048, whose weight just fills the L2 cache, differ by up to 13 %). So one process measures
several placements, each with buffers of its own, and the caller starts several processes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.buffers import Array, poison
from benchmarks.cases import CASES, Case
from benchmarks.native import HERE, BenchmarkError
from benchmarks.onednn import Primitive, problem, random_arrays
from benchmarks.ours import Ours, load_best
from benchmarks.peak import measure
from benchmarks.reference import reference
from benchmarks.timing import Comparison, interleave, pin


@dataclass(frozen=True, slots=True)
class Duel:
    """Rounds per placement, whether each side's results all equal the reference, the core's peak meanwhile.

    In `placements` oneDNN is first: ratios above 1 mean that heron is faster.
    """

    implementation: str
    operations: int
    onednn_exact: bool
    ours_exact: bool
    peak_gops: float
    placements: tuple[Comparison, ...]

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Duel:
        """Read what `main` wrote."""
        placements = tuple(Comparison.from_json(entry) for entry in document["placements"])
        return cls(**{**document, "placements": placements})


def duel(case: Case, library: Path | None, seed: int, placements: int, rounds: int, seconds: float) -> Duel:
    """Same input and weight for both; outputs poisoned and compared in full; then interleaved rounds.

    Without a `library` the second side is oneDNN as well.
    """
    exact, comparisons, peaks = [True, True], [], []
    alive = []  # freed pages would come back for the next placement
    for placement in range(placements):
        arrays = random_arrays(case, seed * placements + placement)
        sides = _sides(case, library, arrays, ours_first=placement % 2 == 1)
        alive.append(sides)
        expected = reference(sides[0].problem, arrays)
        for index, side in enumerate(sides):
            poison(side.output)
            side.call.repeat(1)
            exact[index] &= bool(np.array_equal(side.output, expected))
        peaks.append(measure(5).register.gops)
        comparisons.append(interleave(sides[0].call, sides[1].call, rounds, seconds))
    first = alive[0][0]
    return Duel(
        first.implementation, first.problem.operations, exact[0], exact[1], max(peaks), tuple(comparisons)
    )


def _sides(
    case: Case, library: Path | None, arrays: Mapping[str, Array], *, ours_first: bool
) -> tuple[Primitive, Ours | Primitive]:
    """Both sides. The order in which they allocate alternates, since the first may get the better pages."""
    output = problem(case).output.shape

    def other() -> Ours | Primitive:
        return Primitive(case, arrays) if library is None else load_best(library, case, arrays, output)

    if ours_first:
        made = other()
        return Primitive(case, arrays), made
    return Primitive(case, arrays), other()


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured per workload."""

    processes: int = 5
    placements: int = 5
    rounds: int = 5
    core: int = 0


def in_processes(case: Case, library: Path | None, plan: Plan) -> list[Duel]:
    """Run duels one after another, each with other inputs. Raises BenchmarkError if one fails."""
    duels = []
    # Plain pages for every buffer: numpy would ask for huge ones for its large arrays only.
    environment = {**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0", "OMP_NUM_THREADS": "1"}
    paths = [str(HERE.parent / "src"), os.environ.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    side = ["--library", str(library.resolve())] if library else ["--null"]
    for seed in range(plan.processes):
        options = {"seed": seed, "placements": plan.placements, "rounds": plan.rounds, "core": plan.core}
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        command = [sys.executable, "-m", "benchmarks.duel", "--case", case.name, *side, *words]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, env=environment, cwd=HERE.parent, check=False
        )
        if done.returncode:
            raise BenchmarkError(f"the measurement of {case.name} ended with exit code {done.returncode}")
        duels.append(Duel.from_json(json.loads(done.stdout)))
    return duels


def main(words: Sequence[str] | None = None) -> int:
    """Measure one case and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    side = parser.add_mutually_exclusive_group(required=True)
    side.add_argument("--library", type=Path, help="a directory that `heron export-library` wrote")
    side.add_argument("--null", action="store_true", help="oneDNN against itself")
    parser.add_argument("--case", required=True, choices=[case.name for case in CASES])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--placements", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5, help="per placement")
    parser.add_argument("--seconds", type=float, default=0.02, help="length of a burst")
    parser.add_argument("--core", type=int)
    given = parser.parse_args(words)
    case = next(case for case in CASES if case.name == given.case)
    try:
        pin(given.core)
        result = duel(case, given.library, given.seed, given.placements, given.rounds, given.seconds)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(asdict(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
