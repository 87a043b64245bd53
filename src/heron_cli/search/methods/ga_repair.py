"""A genetic algorithm on knobs whose invalid children are repaired (Lamarckian repair, Michalewicz 1996).

The counterpart of `cga` that evolves solutions instead of constraint problems: same population, generations,
elites, selection and model, but one-point crossover and mutation on the knobs' values. How a child is
repaired is told in `repair`: the nearest valid point if one gene is enough to get there, else relaxed step by
step. "GA-2" (SAT decoding) in the
comparison of Bi et al., ASPLOS 2023, is of this kind.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...trial import Trial
from ..cost_model import CostModel
from ..genes import breed, domains
from ..model_guided import CHILDREN, ELITES, GENERATIONS, POPULATION, Floats, ModelGuided, merge, roulette
from ..problem import Rows, VariantSpace
from ..protocol import register
from ..repair import repair


@register
class GaRepair(ModelGuided):
    """Genetic search with repair."""

    name = "ga-repair"
    summary = "genetic algorithm on knobs, invalid children repaired, ranked by a learned cost model"

    def explore(
        self, variant: VariantSpace, model: CostModel, trials: Sequence[Trial], rng: np.random.Generator
    ) -> tuple[Rows, Floats]:
        """Every distinct row seen in this round's generations, best predicted first, and its prediction."""
        seen, scores = self.start(variant, model, trials, rng)
        population, fitness = seen[:POPULATION], scores[:POPULATION]
        values = domains(variant)
        for _ in range(GENERATIONS):
            pairs = population[roulette(fitness, 2 * CHILDREN, rng).reshape(CHILDREN, 2)]
            children = breed(pairs, values, rng)
            with self.spent.on("solve"):
                children = repair(variant, children, pairs[:, 0], rng)
            children, predicted = self.rank(model, children)
            population = np.concatenate([seen[:ELITES], children])
            fitness = np.concatenate([scores[:ELITES], predicted])
            seen, scores = merge(np.concatenate([seen, children]), np.concatenate([scores, predicted]))
        return seen, scores
