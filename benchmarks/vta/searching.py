"""A search method against trials, on modelled cycles: the driver's rounds, without records and simulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.vta.cycles import Cycles
from heron_cli.search.driver import BATCH
from heron_cli.search.problem import Problem
from heron_cli.search.protocol import get_method
from heron_cli.trial import Candidate, Measurement, Status, Trial


@dataclass(frozen=True, slots=True)
class Run:
    """One search: the cycles of its trials in order."""

    machine: str
    case: str
    method: str
    seed: int
    cycles: tuple[int, ...]

    def best_after(self, trials: int) -> int:
        """The fewest cycles of the first trials."""
        return min(self.cycles[:trials])


def search(problem: Problem, cycles: Cycles, method: str, seed: int, trials: int) -> tuple[int, ...]:
    """The cycles of the trials, in order; fewer than asked for when the space has no more."""
    proposer = get_method(method)(problem, seed)
    history: list[Trial] = []
    for number in range(trials):
        count = min(BATCH, trials - len(history))
        batch = proposer.propose(count, history, number) if count else []
        if not batch:
            break
        history += [Trial(each, _measured(each, cycles)) for each in batch]
    return tuple(int(trial.measurement.cycles or 0) for trial in history)


def _measured(candidate: Candidate, cycles: Cycles) -> Measurement:
    row = cycles.variant.space.row(candidate.values)
    return Measurement(Status.OK, cycles=cycles.of(np.array([row]))[0])
