"""Constraints that remove nothing and values that no assignment takes: both proven by the solver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from heron_cli.space.cpsat import CpBackend
from heron_cli.space.faults import SolverTimeoutError
from heron_cli.space.functions import all_of, negate
from heron_cli.space.space import Constraint, Space

EFFORT = 2.0
"""Limit of each proof, in CP-SAT's deterministic time; what cannot be proven in it is not reported."""


def implied(space: Space, labels: Iterable[str]) -> list[str]:
    """The labels whose constraints follow from the others and the domains, so that they remove nothing."""
    return [label for label in dict.fromkeys(labels) if _is_implied(space, label)]


def _is_implied(space: Space, label: str) -> bool:
    conditions = [
        condition
        for constraint, condition in zip(space.constraints, space.conditions, strict=True)
        if constraint.label == label
    ]
    rest = space.without({label})
    try:
        broken = rest.extended([Constraint("broken", negate(all_of(*conditions)))])
    except ValueError:
        return False  # without the rule its own trees have no bounds: so it does bound something
    try:
        return CpBackend(broken, EFFORT).is_empty()
    except SolverTimeoutError:
        return False


def unused_values(space: Space, knobs: Iterable[str]) -> Mapping[str, tuple[int, ...]]:
    """For each of these knobs the values of its domain that no assignment takes; knobs without such are left
    out.
    """
    backend = CpBackend(space, EFFORT)
    found = {}
    for name in knobs:
        unused = [value for value in space.domains[name] if _never(backend, name, value)]
        if unused:
            found[name] = tuple(unused)
    return found


def _never(backend: CpBackend, name: str, value: int) -> bool:
    try:
        return backend.is_empty({name: (value,)})
    except SolverTimeoutError:
        return False
