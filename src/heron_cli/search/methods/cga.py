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
import numpy.typing as npt

from ...records import cost_of
from ...trial import Trial
from ..by_variant import Taken, VariantMethod
from ..cost_model import CostModel
from ..problem import Rows, VariantSpace
from ..protocol import register

UNIFORM = 1000  # fresh uniform samples in each round's population
MEASURED = 32  # best measured candidates that join it
POPULATION = 200  # kept of these, by prediction
GENERATIONS = 5
CHILDREN = 200  # per generation
ELITES = 20  # best of everything seen, kept in every generation
GREEDY = 0.75  # share of a batch with the best predictions; roulette picks the rest
SEED_SHARE = 2  # at most one in this many of a batch is a seed, until all seeds are tried

Floats = npt.NDArray[np.float64]


@register
class Cga(VariantMethod):
    """Heron's constraint-based genetic algorithm."""

    name = "cga"
    summary = "constraint-based genetic algorithm, ranked by a learned cost model"

    def propose_rows(
        self,
        variant: VariantSpace,
        count: int,
        trials: Sequence[Trial],
        taken: Taken,
        rng: np.random.Generator,
    ) -> Rows:
        """Evolve a population under the model; seeds and uniform rows while there is none."""
        with self.spent.on("model"):
            model = CostModel.fit(variant, trials, self.seed)
        seeds = taken.take(variant.rows(variant.seeds), max(1, count // SEED_SHARE))
        count -= len(seeds)
        if model is None:
            return np.concatenate([seeds, self.fresh(variant, count, taken, rng)])
        rows, scores = self._evolve(variant, model, trials, rng)
        chosen = self._select(rows, scores, count, taken, rng)
        return np.concatenate([seeds, chosen, self.fresh(variant, count - len(chosen), taken, rng)])

    def _evolve(
        self, variant: VariantSpace, model: CostModel, trials: Sequence[Trial], rng: np.random.Generator
    ) -> tuple[Rows, Floats]:
        """Every distinct row seen in this round's generations, best predicted first, and its prediction."""
        with self.spent.on("solve"):
            uniform = variant.sampler.sample(UNIFORM, rng)
        seen, scores = self._rank(model, np.concatenate([uniform, _best_measured(variant, trials)]))
        population = slice(0, POPULATION)
        parents, fitness = seen[population], scores[population]
        for _ in range(GENERATIONS):
            keys = _by_importance(model, rng)
            pairs = _roulette(fitness, 2 * CHILDREN, rng).reshape(CHILDREN, 2)
            restrictions = [_crossover(variant, parents[pair], keys, rng) for pair in pairs]
            with self.spent.on("solve"):
                children = variant.sampler.offspring(restrictions, [parents[a] for a, _ in pairs], rng)
            children, predicted = self._rank(model, children)
            parents = np.concatenate([seen[:ELITES], children])
            fitness = np.concatenate([scores[:ELITES], predicted])
            seen, scores = _merge(np.concatenate([seen, children]), np.concatenate([scores, predicted]))
        return seen, scores

    def _rank(self, model: CostModel, rows: Rows) -> tuple[Rows, Floats]:
        with self.spent.on("model"):
            return _merge(rows, model.predict(rows))

    def _select(self, rows: Rows, scores: Floats, count: int, taken: Taken, rng: np.random.Generator) -> Rows:
        """The batch: most of it the best predicted, the rest by roulette among what is left."""
        greedy = taken.take(rows, round(GREEDY * count))
        order = _roulette(scores, min(len(rows), 8 * count), rng)
        return np.concatenate([greedy, taken.take(rows[order], count - len(greedy))])


def _best_measured(variant: VariantSpace, trials: Sequence[Trial]) -> Rows:
    timed = [(cost, trial) for trial in trials if (cost := cost_of(trial.measurement)) is not None]
    timed.sort(key=lambda pair: pair[0])
    return variant.rows([trial.candidate.values for _, trial in timed[:MEASURED]])


def _by_importance(model: CostModel, rng: np.random.Generator) -> list[int]:
    """The knobs' columns, the most important first; equals in random order."""
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


def _roulette(scores: Floats, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """`count` indices, with replacement, the odds in proportion to predicted speed above the slowest."""
    speed = np.exp(scores.min() - scores)
    odds = speed - speed.min() + 1e-9
    return rng.choice(len(scores), size=count, p=odds / odds.sum())


def _merge(rows: Rows, scores: Floats) -> tuple[Rows, Floats]:
    """Distinct rows, best score first; ties in the order of their values, whatever order they came in."""
    rows, first = np.unique(rows, axis=0, return_index=True)
    scores = scores[first]
    order = np.argsort(scores, kind="stable")
    return rows[order], scores[order]
