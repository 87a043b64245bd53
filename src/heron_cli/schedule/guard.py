"""Stages that read zero outside their source: is the condition exactly 'the element exists'?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from heron_cli.schedule.access import NotAnEinsum, kind_of
from heron_cli.schedule.einsum import Dim
from heron_cli.schedule.enumerate import components, coordinates, evaluate, grid, variables

_MOST = 1 << 24  # points that are tried


def check(stage: str, condition: Any, dims: Sequence[Dim], extents: Mapping[str, int]) -> None:
    """Raises NotAnEinsum unless the condition holds exactly where all coordinates lie in the data.

    `condition` None always holds. Parts that share no variable are checked apart, each by trying all values.
    """
    parts = [] if condition is None else list(_conjuncts(condition))
    edges = [dim for dim in dims if dim.leaves(extents)]
    names = [frozenset(variables(part)) for part in parts]
    names += [frozenset(name for name, _ in dim.terms) for dim in edges]
    for together in components(names):
        if prod(extents[name] for name in together) > _MOST:
            raise NotAnEinsum(f"stage {stage} has a guard over more than {_MOST:,} points")
        at = grid(together, extents)
        allowed, exists = (np.asarray(True) for _ in range(2))
        for part in parts:
            if together.issuperset(variables(part)):
                allowed = np.logical_and(allowed, evaluate(part, at))
        for dim in edges:
            if together.issuperset(name for name, _ in dim.terms):
                place = coordinates(dim, at)
                exists = np.logical_and(exists, (place >= 0) & (place < dim.extent))
        if not np.equal(allowed, exists).all():
            raise NotAnEinsum(f"stage {stage} guards something else than the data's range")


def _conjuncts(condition: Any) -> Iterator[Any]:
    if kind_of(condition) == "And":
        yield from _conjuncts(condition.a)
        yield from _conjuncts(condition.b)
    else:
        yield condition
