"""Model-ranked constrained random search: "CRAND" in the comparison of Bi et al., ASPLOS 2023.

It asks what evolution adds: every round as many uniform rows as `cga` has predicted are predicted, no more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...trial import Trial
from ..cost_model import CostModel
from ..model_guided import EVALUATIONS, Floats, ModelGuided
from ..problem import Rows, VariantSpace
from ..protocol import register


@register
class ModelRandom(ModelGuided):
    """Uniform draws; the model picks which of them are measured."""

    name = "model-random"
    summary = "uniform draws from the constrained space, ranked by a learned cost model"
    seeded = False

    def explore(
        self, variant: VariantSpace, model: CostModel, trials: Sequence[Trial], rng: np.random.Generator
    ) -> tuple[Rows, Floats]:
        """`EVALUATIONS` uniform rows, best predicted first."""
        with self.spent.on("solve"):
            uniform = variant.sampler.sample(EVALUATIONS, rng)
        return self.rank(model, uniform)
