"""What every sampler of a space offers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np

from heron_cli.space.space import Rows, Space

Restriction = Mapping[str, Collection[int]]
"""Allowed values by knob or derived variable; names that are absent are free."""
FREE: Restriction = MappingProxyType({})
"""No restriction."""


class Sampler(Protocol):
    """Draws valid rows of one space; the same generator state gives the same rows."""

    space: Space

    def sample(self, n: int, rng: np.random.Generator, restrict: Restriction = ...) -> Rows:
        """`n` valid rows, int64 [n, knobs], drawn with replacement.

        Raises SpaceEmptyError when the solver proved that there is none.
        """
        ...

    def offspring(
        self,
        restrictions: Sequence[Restriction],
        fallbacks: Sequence[Rows],
        rng: np.random.Generator,
    ) -> Rows:
        """One valid row per restriction, int64 [len(restrictions), knobs].

        `fallbacks[i]`, a valid row, is returned where restriction i holds nothing that could be found.
        """
        ...
