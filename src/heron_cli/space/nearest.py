"""The valid assignment nearest to one that is not: few knobs changed, and these by few steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from heron_cli.space.cpsat import CpBackend
from heron_cli.space.expression import Expression, Var, const, total
from heron_cli.space.functions import maximum, minimum
from heron_cli.space.space import Space

EFFORT = 5.0
"""Limit of the search, in CP-SAT's deterministic time; past it the nearest found so far is told."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """A valid assignment; `changed` maps the knobs that differ to (asked for, valid)."""

    values: Mapping[str, int]
    changed: Mapping[str, tuple[int, int]]
    proven: bool  # that no valid assignment is nearer


def nearest(space: Space, wanted: Mapping[str, int]) -> Nearest | None:
    """The assignment of the space nearest to the wanted values of some or all knobs; None: it has none.

    Nearest: the fewest of these knobs changed, then the fewest steps through their sorted domains. Raises
    SolverTimeoutError when the solver found nothing in its time.
    """
    domains = {name: space.domains[name] for name in wanted}
    unit = 1 + sum(len(domain) for domain in domains.values())
    distance = total(
        [const(0), *(_distance(name, wanted[name], domains[name], unit) for name in sorted(wanted))]
    )
    optimum = CpBackend(space, EFFORT).minimise(distance)
    if optimum is None:
        return None
    changed = {
        name: (value, optimum.values[name]) for name, value in wanted.items() if optimum.values[name] != value
    }
    return Nearest(optimum.values, changed, optimum.objective == optimum.bound)


def _distance(name: str, value: int, domain: Sequence[int], unit: int) -> Expression:
    """`unit` if the knob has another value, plus the number of domain values from there to here."""
    knob = Var(name)
    away = minimum(1, maximum(knob - value, value - knob))
    below = [minimum(1, maximum(0, each - knob)) for each in domain if each <= value]
    above = [minimum(1, maximum(0, knob - each + 1)) for each in domain if each > value]
    return total([unit * away, *below, *above])
