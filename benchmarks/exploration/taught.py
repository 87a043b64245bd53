"""How well the cost model ranks uniform rows after a method's first trials: what these trials taught it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.exploration.beds import Bed
from heron_cli.search.cost_model import CostModel
from heron_cli.trial import Candidate, Trial

METHODS = ("cga", "cga-unseeded", "model-random-seeded", "model-random")
AFTER = (16, 64)  # trials
SEEDS, ROWS = 4, 1000


def lines(beds: Sequence[Bed]) -> list[str]:
    """A table of rank correlations by bed and method."""
    result = [
        "| space | seeds | " + " | ".join(METHODS) + " |",
        "|---|---|" + "---|" * len(METHODS),
    ]
    for bed in beds:
        drawn = _uniform(bed)
        costs = bed.costs(drawn)
        found = [_after(bed, method, drawn, costs) for method in METHODS]
        cells = [", ".join(f"{value:.2f}" for value in each) for each in found]
        seeds = sum(len(variant.seeds) for variant in bed.problem.variants)
        result.append(f"| {bed.layer} | {seeds} | " + " | ".join(cells) + " |")
    return result


def _after(bed: Bed, method: str, drawn: Sequence[Candidate], costs: Sequence[int]) -> list[float]:
    """Spearman's correlation of prediction and cost after each number of `AFTER`, mean over seeds."""
    from scipy.stats import spearmanr

    histories = [bed.search(method, seed, AFTER[-1], near=None) for seed in range(SEEDS)]
    return [
        float(
            np.mean([spearmanr(_predicted(bed, each[:count], drawn), costs).statistic for each in histories])
        )
        for count in AFTER
    ]


def _uniform(bed: Bed) -> list[Candidate]:
    """Uniform rows, as many of each variant, variant by variant."""
    rng, variants = np.random.default_rng(0), bed.problem.variants
    return [
        each.candidate(row) for each in variants for row in each.sampler.sample(ROWS // len(variants), rng)
    ]


def _predicted(bed: Bed, history: Sequence[Trial], drawn: Sequence[Candidate]) -> list[float]:
    models = CostModel.fit_all(bed.problem.variants, history)

    def each() -> Iterator[float]:
        for variant in bed.problem.variants:
            mine = [candidate.values for candidate in drawn if candidate.variant == variant.name]
            yield from models[variant.name].predict(variant.rows(mine)).tolist()

    return list(each())
