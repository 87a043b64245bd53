"""Simulated annealing on the cost model (Kirkpatrick, Gelatt and Vecchi, Science 220, 1983).

Parallel chains walk the valid points: a move gives one knob another value and is taken by the rule of
Metropolis (1953) on the predicted logarithm of the cost, under a temperature that falls geometrically. An
invalid move is rejected and drawn anew, unless another knob, drawn at random, can follow to make it valid:
without that, knobs tied by an equation could never move.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...trial import Trial
from ..cost_model import CostModel
from ..genes import Domains, domains
from ..model_guided import CHILDREN, GENERATIONS, Floats, ModelGuided, merge
from ..problem import Rows, VariantSpace
from ..protocol import register

CHAINS = 16
STEPS = GENERATIONS * CHILDREN // CHAINS  # so that as many rows are predicted as by `cga`
TRIES = 8  # moves drawn per step until one is valid
HOT, COLD = 1.0, 0.01  # first and last temperature, in standard deviations of the uniform rows' predictions


@register
class SimulatedAnnealing(ModelGuided):
    """Annealing chains that start from the best predicted rows."""

    name = "sa"
    summary = "simulated annealing in parallel chains, on a learned cost model"

    def explore(
        self, variant: VariantSpace, model: CostModel, trials: Sequence[Trial], rng: np.random.Generator
    ) -> tuple[Rows, Floats]:
        """Every distinct row that a chain came to or refused, best predicted first, and its prediction."""
        seen, scores = self.start(variant, model, trials, rng)
        rows, costs = seen[:CHAINS].copy(), scores[:CHAINS].copy()
        values = domains(variant)
        all_rows, all_scores = [seen], [scores]
        scale = float(scores.std())
        for step in range(STEPS):
            with self.spent.on("solve"):
                moved = _move(variant, rows, values, rng)
            predicted = self.predict(model, moved)
            all_rows.append(moved)
            all_scores.append(predicted)
            temperature = scale * HOT * (COLD / HOT) ** (step / (STEPS - 1))
            worse = np.maximum(predicted - costs, 0.0)
            taken = rng.random(len(rows)) < np.exp(-worse / max(temperature, 1e-12))
            rows[taken], costs[taken] = moved[taken], predicted[taken]
        return merge(np.concatenate(all_rows), np.concatenate(all_scores))


def _move(variant: VariantSpace, rows: Rows, values: Domains, rng: np.random.Generator) -> Rows:
    """A valid neighbour of each row; the row itself where `TRIES` draws gave none."""
    result = rows.copy()
    free = np.array([column for column, domain in enumerate(values) if len(domain) > 1], dtype=np.int64)
    waiting = np.arange(len(rows))
    for _ in range(TRIES if len(free) else 0):
        columns = rng.choice(free, size=len(waiting))
        drawn = rows[waiting]
        for place, column in enumerate(columns):
            others = values[column][values[column] != drawn[place, column]]
            drawn[place, column] = rng.choice(others)
        valid = variant.admits(drawn)
        for place in np.flatnonzero(~valid).tolist():
            partner = int(rng.choice(free))
            if partner != columns[place]:
                options = np.tile(drawn[place], (len(values[partner]), 1))
                options[:, partner] = values[partner]
                fitting = np.flatnonzero(variant.admits(options))
                if len(fitting):
                    drawn[place], valid[place] = options[rng.choice(fitting)], True
        result[waiting[valid]] = drawn[valid]
        waiting = waiting[~valid]
        if not len(waiting):
            break
    return result
