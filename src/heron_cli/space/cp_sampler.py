"""The sampler that draws every row from CP-SAT: slower and not uniform, but it needs no tables."""

from __future__ import annotations

import numpy as np

from heron_cli.errors import SpaceEmptyError
from heron_cli.space.cpsat import CpBackend
from heron_cli.space.faults import SolverTimeoutError
from heron_cli.space.protocol import FREE, Kept, Restriction, restriction_of
from heron_cli.space.sampler import empty_message
from heron_cli.space.space import Rows, Space


class CpSampler:
    """Draws with random half-domains and random hints."""

    def __init__(self, space: Space, backend: CpBackend | None = None):
        self.space = space
        self._backend = backend or CpBackend(space)

    def sample(self, n: int, rng: np.random.Generator, restrict: Restriction = FREE) -> Rows:
        """`n` valid rows, int64 [n, knobs]; raises SpaceEmptyError when the solver proved there is none."""
        result = np.empty((n, len(self.space.knobs)), np.int64)
        for k in range(n):
            values = self._backend.draw(rng, restrict)
            if values is None:
                raise SpaceEmptyError(empty_message(self.space, restrict))
            result[k] = self.space.row(values)
        return result

    def offspring(self, choices: Rows, kept: Kept, fallbacks: Rows, rng: np.random.Generator) -> Rows:
        """One valid row per child, int64 [n, knobs]; see `protocol.Sampler`."""
        result = fallbacks.copy()
        for k in range(len(result)):
            try:
                values = self._backend.draw(rng, restriction_of(self.space, choices[k], kept[k]))
            except SolverTimeoutError:
                continue
            if values is not None:
                result[k] = self.space.row(values)
        return result
