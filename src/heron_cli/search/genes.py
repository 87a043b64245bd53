"""The operators of an ordinary genetic algorithm: knobs as genes, blind to the constraints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .problem import Rows, VariantSpace

Domains = Sequence[npt.NDArray[np.int64]]


def domains(variant: VariantSpace) -> Domains:
    """The values of each knob, in the order of columns."""
    return [np.array(knob.values, dtype=np.int64) for knob in variant.space.knobs]


def breed(parents: Rows, values: Domains, rng: np.random.Generator) -> Rows:
    """One child per pair of `parents` [pairs, 2, knobs], valid or not: one-point crossover, then mutation.

    Holland 1975. The cut falls between two knobs; each gene is mutated with a probability of one in the
    number of knobs that have a choice (Mühlenbein 1992), to any value of its domain.
    """
    count, _, knobs = parents.shape
    cut = rng.integers(1, max(2, knobs), size=count)
    children: Rows = np.where(np.arange(knobs) < cut[:, None], parents[:, 0], parents[:, 1])
    rate = 1.0 / max(1, sum(len(domain) > 1 for domain in values))
    for column, domain in enumerate(values):
        mutants = np.flatnonzero(rng.random(count) < rate)
        children[mutants, column] = rng.choice(domain, size=len(mutants))
    return children
