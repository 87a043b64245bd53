"""CGA without the model's say in what is crossed over: the ablation "CGA-1" of Bi et al., ASPLOS 2023."""

from __future__ import annotations

import numpy as np

from ..cost_model import CostModel
from ..protocol import register
from .cga import Cga


@register
class CgaRandomKeys(Cga):
    """The same algorithm, its key variables drawn at random in every generation."""

    name = "cga-random-keys"
    summary = "cga with key variables drawn at random instead of by importance (ablation)"

    def keys(self, model: CostModel, rng: np.random.Generator) -> list[int]:
        """All knobs' columns in random order."""
        return [int(column) for column in rng.permutation(len(model.knob_importance()))]
