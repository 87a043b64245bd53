"""Which share of candidates is valid, for searches that do and do not know the constraints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.exploration import tables
from benchmarks.exploration.beds import Bed
from heron_cli.search.genes import breed, domains
from heron_cli.search.repair import repair
from heron_cli.space import Evaluator
from heron_cli.space.size import Share, wilson

DRAWN = 50_000
PAIRS = 2_000
RECORDED = tables.FOLDER / "validity.json"  # of real builds, see `benchmarks.metaschedule.sampling`


@dataclass(frozen=True)
class Validity:
    """Shares of valid candidates."""

    bed: str
    unconstrained: Share  # every knob drawn by itself
    children: Share  # crossover and mutation of two valid parents, constraints unknown
    repaired: Share
    ours: Share  # drawn by the sampler


def validity(bed: Bed, seed: int = 0) -> Validity:
    """Draw from a bed's space in four ways and ask the evaluator."""
    (variant,) = bed.problem.variants
    rng = np.random.default_rng(seed)
    valid = Evaluator(bed.task.variants[0].space).valid
    blind = np.stack([rng.choice(domain, size=DRAWN) for domain in domains(variant)], axis=1)
    parents = variant.sampler.sample(2 * PAIRS, rng).reshape(PAIRS, 2, -1)
    children = breed(parents, domains(variant), rng)
    mended = repair(variant, children, parents[:, 0], rng)
    own = variant.sampler.sample(DRAWN, rng)
    shares = [wilson(int(valid(rows).sum()), len(rows)) for rows in (blind, children, mended, own)]
    return Validity(bed.name, *shares)
