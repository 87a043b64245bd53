"""The constraint-based genetic algorithm (Bi et al., ASPLOS 2023, algorithms 2 and 3).

Offspring are constraint problems, not strings: a child is any point of the space whose key variables take
the value of one parent or the other, but for one key variable that is dropped, the mutation. Both parents
satisfy it, so it is never empty and no trial is spent on an invalid program.

Where this departs from the paper: key variables are the knobs that the cost model finds important, how many
is drawn anew for each child, failures train the model, and nothing but trials passes from round to round.
Half of the children are refinements: for these every knob is a key variable, and a few drawn at random are
dropped. What has few key variables is for the most part a fresh draw, which finds little where good points
are rare. Many small generations find better candidates for as many predictions as few large ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

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

DROPPED = 4  # most knobs that a refinement leaves free: two axes' factors that must change together


@register
class Cga(ModelGuided):
    """Heron's constraint-based genetic algorithm."""

    name = "cga"
    summary = "constraint-based genetic algorithm, ranked by a learned cost model"
    refinements: ClassVar[float] = 0.5  # share of the children

    def explore(
        self, variant: VariantSpace, model: CostModel, trials: Sequence[Trial], rng: np.random.Generator
    ) -> tuple[Rows, Floats]:
        """Every distinct row seen in this round's generations, best predicted first, and its prediction."""
        seen, scores = self.start(variant, model, trials, rng)
        parents, fitness = seen[:POPULATION], scores[:POPULATION]
        for _ in range(GENERATIONS):
            keys = self.keys(model, rng)
            pairs = parents[roulette(fitness, 2 * CHILDREN, rng)].reshape(CHILDREN, 2, -1)
            kept = _crossover(keys, CHILDREN, round(self.refinements * CHILDREN), rng)
            with self.spent.on("solve"):
                children = variant.sampler.offspring(pairs, kept, pairs[:, 0], rng)
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
    keys: Sequence[int], count: int, refinements: int, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Which knobs [count, knobs] each child takes from its parents: the refinements, which come first, all
    but for 1 to `DROPPED`, the others the key variables but for one.
    """
    knobs = len(keys)
    order = np.arange(knobs)
    sizes = rng.integers(-(-knobs // 4), knobs, endpoint=True, size=count)
    dropped = rng.integers(sizes)
    kept = np.zeros((count, knobs), bool)
    kept[:, list(keys)] = (order < sizes[:, None]) & (order != dropped[:, None])
    shuffled = rng.permuted(np.tile(order, (refinements, 1)), axis=1)
    few = rng.integers(1, min(DROPPED, knobs), endpoint=True, size=refinements)
    kept[:refinements] = shuffled >= few[:, None]
    return kept
