"""The constraint-based genetic algorithm (Bi et al., ASPLOS 2023, algorithms 2 and 3).

Offspring are constraint problems, not strings: a child is any point of the space whose key variables take
the value of one parent or the other, but for one key variable that is dropped, the mutation. Both parents
satisfy it, so it is never empty and no trial is spent on an invalid program.

Where this departs from the paper: key variables are the knobs that the cost model finds important, how many
is drawn anew for each child, failures train the model, and nothing but trials passes from round to round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...trial import Trial
from ..cost_model import CostModel
from ..model_guided import (
    CHILDREN,
    ELITES,
    GENERATIONS,
    POPULATION,
    Floats,
    ModelGuided,
    merge,
    roulette,
)
from ..problem import Rows, VariantSpace
from ..protocol import register


@register
class Cga(ModelGuided):
    """Heron's constraint-based genetic algorithm."""

    name = "cga"
    summary = "constraint-based genetic algorithm, ranked by a learned cost model"

    def explore(
        self, variant: VariantSpace, model: CostModel, trials: Sequence[Trial], rng: np.random.Generator
    ) -> tuple[Rows, Floats]:
        """Every distinct row seen in this round's generations, best predicted first, and its prediction."""
        seen, scores = self.start(variant, model, trials, rng)
        parents, fitness = seen[:POPULATION], scores[:POPULATION]
        for _ in range(GENERATIONS):
            keys = self.keys(model, rng)
            pairs = roulette(fitness, 2 * CHILDREN, rng).reshape(CHILDREN, 2)
            restrictions = [_crossover(variant, parents[pair], keys, rng) for pair in pairs]
            with self.spent.on("solve"):
                children = variant.sampler.offspring(restrictions, [parents[a] for a, _ in pairs], rng)
            children, predicted = self.rank(model, children)
            parents = np.concatenate([seen[:ELITES], children])
            fitness = np.concatenate([scores[:ELITES], predicted])
            seen, scores = merge(np.concatenate([seen, children]), np.concatenate([scores, predicted]))
        return seen, scores

    def keys(self, model: CostModel, rng: np.random.Generator) -> list[int]:
        """The knobs' columns in the order in which they become key variables, here by importance.

        Equals come in random order.
        """
        importance = model.knob_importance()
        shuffled = rng.permutation(len(importance))
        return [int(column) for column in shuffled[np.argsort(-importance[shuffled], kind="stable")]]


def _crossover(
    variant: VariantSpace, parents: Rows, keys: Sequence[int], rng: np.random.Generator
) -> Mapping[str, tuple[int, ...]]:
    """What a child of two parents [2, knobs] must satisfy: the key variables' values, but for one."""
    size = int(rng.integers(-(-len(keys) // 4), len(keys), endpoint=True))
    dropped = int(rng.integers(size))
    kept = [key for position, key in enumerate(keys[:size]) if position != dropped]
    return {variant.names[key]: tuple(sorted({int(value) for value in parents[:, key]})) for key in kept}
