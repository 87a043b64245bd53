"""Constrained random search: uniform draws from the space, the baseline of every comparison."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...trial import Trial
from ..by_variant import Taken, VariantMethod
from ..cost_model import CostModel
from ..problem import Rows, VariantSpace
from ..protocol import register


@register
class RandomSearch(VariantMethod):
    """Uniform draws; every one satisfies the constraints, none is drawn twice."""

    name = "random"
    summary = "uniform draws from the constrained space, no model"

    def propose_rows(
        self,
        variant: VariantSpace,
        model: CostModel | None,
        count: int,
        trials: Sequence[Trial],
        taken: Taken,
        rng: np.random.Generator,
    ) -> Rows:
        """Uniform rows that were not tried."""
        return self.fresh(variant, count, taken, rng)
