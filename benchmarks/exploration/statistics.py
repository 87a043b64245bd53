"""Curves, trials until a share of the best known is reached, and whether the difference is chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Run:
    """One search: the cost of every trial in order (infinite where it failed), and its budget."""

    bed: str
    method: str
    seed: int
    budget: int
    costs: tuple[float, ...]

    def best_after(self, trials: int) -> float:
        """The least cost of the first trials."""
        return min(self.costs[:trials])

    def reaches(self, goal: float) -> int | None:
        """The number of the first trial that costs at most `goal`; None when there is none."""
        return next((i + 1 for i, cost in enumerate(self.costs) if cost <= goal), None)


def trials_to(run: Run, best: float, share: float = 0.95) -> float:
    """Trials until `share` of the best known speed is reached; twice the budget where it never is.

    A run that did not get there would have needed more than its budget; twice that is kind to it.
    """
    found = run.reaches(best / share)
    return 2.0 * run.budget if found is None else float(found)


def geomean(values: Sequence[float]) -> float:
    """The geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values))


def paired(one: Sequence[float], other: Sequence[float]) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test on the logarithms; 1 where all are equal."""
    from scipy.stats import wilcoxon

    differences = np.log(np.asarray(one)) - np.log(np.asarray(other))
    if not np.any(differences):
        return 1.0
    return float(wilcoxon(differences, zero_method="zsplit").pvalue)


def quartiles(runs: Sequence[Run], best: float, trials: int) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile over seeds of the share of the best known speed."""
    shares = [best / run.best_after(trials) for run in runs]
    low, middle, high = np.quantile(shares, [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)
