"""All runs, kept in a file as they end, so that a benchmark that was stopped goes on where it was."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.exploration.beds import Bed
from benchmarks.exploration.statistics import Run
from heron_cli.records import cost_of
from heron_cli.search import prior
from heron_cli.search.problem import Problem
from heron_cli.session.spaces import bare_spaces
from heron_cli.trial import Trial

WARM = "cga after other layers"
WARM_UNSEEDED = "cga-unseeded after other layers"


class Runs:
    """The runs in a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        found = (json.loads(line) for line in lines)
        self.all = [Run(**{**each, "costs": tuple(each["costs"])}) for each in found]

    def has(self, bed: str, method: str, seed: int, budget: int) -> bool:
        """Whether this run is there."""
        key = (bed, method, seed, budget)
        return any((run.bed, run.method, run.seed, run.budget) == key for run in self.all)

    def add(self, run: Run) -> None:
        """Keep a run."""
        self.all.append(run)
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(run)) + "\n")


def seeds_of(runs: Sequence[Run]) -> int:
    """How many seeds every bed has."""
    found = [{run.seed for run in runs if run.bed == bed} for bed in {run.bed for run in runs}]
    return min(map(len, found), default=0)


def costs_of(history: Sequence[Trial]) -> tuple[float, ...]:
    """The cost of every trial, infinite where it failed."""
    found = [cost_of(trial.measurement) for trial in history]
    return tuple(float("inf") if cost is None else float(cost) for cost in found)


def compare(runs: Runs, bed: Bed, methods: Sequence[str], seeds: int, trials: int) -> None:
    """Every method with every seed; seed by seed, so that a run cut short is a fair comparison, too."""
    for seed in range(seeds):
        for method in methods:
            if not runs.has(bed.name, method, seed, trials):
                runs.add(Run(bed.name, method, seed, trials, costs_of(bed.search(method, seed, trials))))
        print(f"{bed.name}: seed {seed}", file=sys.stderr, flush=True)


def transfer(runs: Runs, beds: Sequence[Bed], seeds: int, trials: int, told: int) -> None:
    """CGA on every bed after `told` trials of CGA on each of the others; the beds are of one machine."""
    histories = {bed.name: bed.search("cga-unseeded", 1000, told, near=None) for bed in beds}
    for bed, problem in _warm(beds, histories):
        for seed in range(seeds):
            for label, method in ((WARM, "cga"), (WARM_UNSEEDED, "cga-unseeded")):
                if not runs.has(bed.name, label, seed, trials):
                    history = bed.search(method, seed, trials, problem)
                    runs.add(Run(bed.name, label, seed, trials, costs_of(history)))
        print(f"{bed.name}: {WARM}", file=sys.stderr, flush=True)


def _warm(beds: Sequence[Bed], histories: dict[str, list[Trial]]) -> Iterator[tuple[Bed, Problem]]:
    for bed in beds:
        examples = {
            other.name: [(space, histories[other.name]) for space in bare_spaces(other.task)]
            for other in beds
            if other is not bed
        }
        accelerator = bed.task.accelerator
        model = prior.train("conv2d", accelerator.name, accelerator.digest, examples)
        assert model is not None, "there are enough trials"
        yield bed, bed.warm(model)
