"""Uniform random samples of a space, and how fast an assignment becomes cycles."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.vta.cycles import Cycles
from heron_cli.space import TableSampler

SAMPLES, SEED = 10_000, 0
TIMED = 200  # of the samples, modelled once more for the rate


@dataclass(frozen=True, slots=True)
class Sampled:
    """`cycles` of every sample, in order; `rate` in assignments per second of one core's time."""

    cycles: tuple[int, ...]
    rate: float


def sample(cycles: Cycles, count: int = SAMPLES) -> Sampled:
    """Draw, with replacement, and model."""
    rows = TableSampler(cycles.variant.space).sample(count, np.random.default_rng(SEED))
    found = cycles.of(rows)
    begin = time.process_time()
    again = cycles.modelled(rows[:TIMED])
    spent = time.process_time() - begin
    assert again == found[:TIMED]
    return Sampled(tuple(found), len(again) / spent)
