"""What one space admits and another does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from heron_cli.errors import SpaceEmptyError
from heron_cli.space.cpsat import CpBackend
from heron_cli.space.evaluator import Evaluator
from heron_cli.space.expression import Var
from heron_cli.space.functions import all_of, negate, one_of
from heron_cli.space.sampler import TableSampler
from heron_cli.space.size import Share, wilson
from heron_cli.space.space import Constraint, Space

DRAWN = 4096


@dataclass(frozen=True, slots=True)
class Beyond:
    """What `mine` admits and `theirs` does not.

    `share` of mine's assignments that theirs refuses, from uniform draws; `witness` is one of them, None
    where the solver proved that there is none; `reasons` say what it breaks in theirs.
    """

    share: Share
    witness: Mapping[str, int] | None
    reasons: tuple[str, ...]


def beyond(mine: Space, theirs: Space, seed: int = 0) -> Beyond:
    """Compare two spaces of the same knobs. Raises ValueError for others, SolverTimeoutError.

    An assignment is in a space when its values are in the domains and satisfy every constraint.
    """
    if set(mine.names) != set(theirs.names):
        raise ValueError("the spaces have different knobs")
    inside = [
        one_of(Var(knob.name), knob.values) for knob in theirs.knobs if _wider(mine, knob.name, knob.values)
    ]
    refused = negate(all_of(*inside, *theirs.conditions))
    rng = np.random.default_rng(seed)
    witness = CpBackend(mine.extended([Constraint("not in the other", refused)])).solve(rng)
    if witness is None:
        return Beyond(Share(0.0, 0.0, 0.0), None, ())
    reasons = tuple(map(str, Evaluator(theirs).violations(witness)))
    return Beyond(_share(mine, theirs, rng), witness, reasons)


def _wider(mine: Space, name: str, values: tuple[int, ...]) -> bool:
    return not set(mine.domains[name]) <= set(values)


def _share(mine: Space, theirs: Space, rng: np.random.Generator) -> Share:
    try:
        rows = TableSampler(mine).sample(DRAWN, rng)
    except SpaceEmptyError:
        return Share(0.0, 0.0, 0.0)
    order = [mine.names.index(name) for name in theirs.names]
    valid = Evaluator(theirs).valid(rows[:, order])
    return wilson(int((~valid).sum()), len(rows))
