"""What every sampler of a space offers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from heron_cli.space.space import Rows, Space

Restriction = Mapping[str, Collection[int]]
"""Allowed values by knob or derived variable; names that are absent are free."""
FREE: Restriction = MappingProxyType({})
"""No restriction."""
Kept = npt.NDArray[np.bool_]


def restriction_of(space: Space, choices: Rows, kept: Kept) -> Restriction:
    """What `offspring` asks of one child: its choices [parents, knobs], kept [knobs]."""
    return {
        space.names[column]: tuple(np.unique(choices[:, column]).tolist())
        for column in np.flatnonzero(kept).tolist()
    }


class Sampler(Protocol):
    """Draws valid rows of one space; the same generator state gives the same rows."""

    space: Space

    def sample(self, n: int, rng: np.random.Generator, restrict: Restriction = ...) -> Rows:
        """`n` valid rows, int64 [n, knobs], drawn with replacement.

        Raises SpaceEmptyError when the solver proved that there is none.
        """
        ...

    def offspring(self, choices: Rows, kept: Kept, fallbacks: Rows, rng: np.random.Generator) -> Rows:
        """One valid row per child, int64 [n, knobs].

        In each knob that is `kept` [n, knobs] a child has the value of one of its `choices` [n, parents,
        knobs]; the other knobs are free. `fallbacks`, valid rows [n, knobs], are returned where no such row
        could be found.
        """
        ...
