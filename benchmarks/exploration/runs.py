"""All runs, kept in a file as they end, so that a benchmark that was stopped goes on where it was.

Kept runs are those of the present code: before any is used, the first of each bed and method is done again.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from benchmarks.exploration.beds import Bed
from benchmarks.exploration.contestants import blinded
from benchmarks.exploration.statistics import Run
from heron_cli.records import cost_of
from heron_cli.search import prior
from heron_cli.search.problem import Problem
from heron_cli.session.spaces import bare_spaces
from heron_cli.trial import Trial

WARM = "cga after other layers"
WARM_UNSEEDED = "cga-unseeded after other layers"
WARM_BLIND = "cga-blind after other layers"
WARM_METHODS = {WARM: "cga", WARM_UNSEEDED: "cga-unseeded", WARM_BLIND: "cga-blind"}
TAUGHT_BY = {"cga-unseeded": (WARM, WARM_UNSEEDED), "cga-blind": (WARM_BLIND,)}


class Runs:
    """The runs in a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        found = (json.loads(line) for line in lines)
        self.all = [Run(**{**each, "costs": tuple(each["costs"])}) for each in found]
        self._checked: set[tuple[str, str, int]] = set()

    def check(self, bed: str, method: str, budget: int, again: Callable[[int], Sequence[float]]) -> None:
        """Drop the runs of the bed, method and budget where `again`, the costs of a seed's run as they are
        now, says that they are of another algorithm or space. Looks once.
        """
        key = (bed, method, budget)
        kept = [run for run in self.all if (run.bed, run.method, run.budget) == key]
        if key in self._checked or not kept:
            return
        self._checked.add(key)
        if same(again(kept[0].seed), kept[0].costs):
            return
        print(f"{bed}: {len(kept)} runs of {method} are not of the present code", file=sys.stderr, flush=True)
        self.all = [run for run in self.all if run not in kept]
        self._path.write_text("".join(_line(run) for run in self.all))

    def has(self, bed: str, method: str, seed: int, budget: int) -> bool:
        """Whether this run is there."""
        key = (bed, method, seed, budget)
        return any((run.bed, run.method, run.seed, run.budget) == key for run in self.all)

    def add(self, run: Run) -> None:
        """Keep a run."""
        self.all.append(run)
        with self._path.open("a") as file:
            file.write(_line(run))


def _line(run: Run) -> str:
    return json.dumps(asdict(run)) + "\n"


def same(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two runs' costs are equal but for what another processor rounds differently."""
    return len(one) == len(other) and all(
        math.isclose(*pair, rel_tol=1e-6) for pair in zip(one, other, strict=True)
    )


def seeds_by_bed(runs: Sequence[Run]) -> str:
    """How many seeds each bed has, as text: the fewest and the most of any method."""
    found = []
    for bed in dict.fromkeys(run.bed for run in runs):
        counts = Counter(run.method for run in runs if run.bed == bed)
        low, high = min(counts.values()), max(counts.values())
        found.append(f"{bed} {low}" if low == high else f"{bed} {low} to {high}")
    return ", ".join(found)


def costs_of(history: Sequence[Trial]) -> tuple[float, ...]:
    """The cost of every trial, infinite where it failed."""
    found = [cost_of(trial.measurement) for trial in history]
    return tuple(float("inf") if cost is None else float(cost) for cost in found)


def compare(runs: Runs, bed: Bed, methods: Sequence[str], seeds: int, trials: int) -> None:
    """Every method with every seed; seed by seed, so that a run cut short is a fair comparison, too."""

    def search(method: str, seed: int) -> tuple[float, ...]:
        return costs_of(bed.search(method, seed, trials))

    _fill(runs, bed.name, methods, seeds, trials, search)


def transfer(runs: Runs, beds: Sequence[Bed], seeds: int, trials: int, told: int) -> None:
    """CGA on every bed after `told` trials of CGA on each of the others; the beds are of one machine."""
    for teacher, labels in TAUGHT_BY.items():
        histories = {bed.name: bed.search(teacher, 1000, told, near=None) for bed in beds}
        for bed, problem in _warm(beds, histories, blind=teacher == "cga-blind"):

            def search(
                label: str, seed: int, bed: Bed = bed, problem: Problem = problem
            ) -> tuple[float, ...]:
                return costs_of(bed.search(WARM_METHODS[label], seed, trials, problem))

            _fill(runs, bed.name, labels, seeds, trials, search)


def _fill(
    runs: Runs,
    bed: str,
    labels: Sequence[str],
    seeds: int,
    trials: int,
    search: Callable[[str, int], tuple[float, ...]],
) -> None:
    """Try what is kept again, and add what is missing, seed by seed."""
    for label in labels:
        runs.check(bed, label, trials, partial(search, label))
    for seed in range(seeds):
        for label in labels:
            if not runs.has(bed, label, seed, trials):
                runs.add(Run(bed, label, seed, trials, search(label, seed)))
        print(f"{bed}: seed {seed}", file=sys.stderr, flush=True)


def _warm(
    beds: Sequence[Bed], histories: dict[str, list[Trial]], blind: bool
) -> Iterator[tuple[Bed, Problem]]:
    for bed in beds:
        examples = {
            other.name: [
                (blinded(space) if blind else space, histories[other.name])
                for space in bare_spaces(other.task)
            ]
            for other in beds
            if other is not bed
        }
        accelerator = bed.task.accelerator
        model = prior.train("conv2d", accelerator.name, accelerator.digest, examples)
        assert model is not None, "there are enough trials"
        yield bed, bed.warm(model)
