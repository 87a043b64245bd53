"""Why a space is empty: a minimal set of constraints in conflict, their numbers, and the cheapest repair."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import inf, log

from heron_cli.errors import Origin
from heron_cli.space.conflict import find_conflict
from heron_cli.space.cpsat import CpBackend
from heron_cli.space.evaluator import Evaluator
from heron_cli.space.expression import Boolean, Compare, Const, Expression, Var
from heron_cli.space.faults import SolverTimeoutError
from heron_cli.space.functions import maximum
from heron_cli.space.prose import number, to_prose
from heron_cli.space.space import Constraint, Space

EFFORT = 5.0
"""Limit of each search for a number, in deterministic time; past it the proven bound is shown."""


@dataclass(frozen=True, slots=True)
class Repair:
    """One constraint which, relaxed alone, makes the space hold an assignment.

    `limit` is what it allows now and `needed` what it would have to allow; both are None for a constraint
    that has no limit to move (a split, a divisibility, a logical condition) and has to be dropped.
    """

    constraint: Constraint
    limit: int | None
    needed: int | None
    sentence: str

    @property
    def cost(self) -> float:
        """The logarithm of the factor by which the limit must move; infinite where it must be dropped."""
        if self.limit is None or self.needed is None:
            return inf
        if min(self.limit, self.needed) < 1:
            return log(1 + abs(self.needed - self.limit))
        return abs(log(self.needed / self.limit))


@dataclass(frozen=True, slots=True)
class Explanation:
    """A conflict that no proper subset shares, one sentence for each of its constraints, and repairs.

    `repairs` holds every single constraint that would do, the cheapest first; none when at least two rules
    must give way.
    """

    conflict: tuple[Constraint, ...]
    sentences: tuple[str, ...]
    repairs: tuple[Repair, ...]

    @property
    def repair(self) -> Repair | None:
        """The cheapest single repair."""
        return self.repairs[0] if self.repairs else None

    def __str__(self) -> str:
        joined = "; ".join(self.sentences) or "the knobs have no common value"
        found = self.repair.sentence if self.repair else "no single rule, relaxed, makes it fit"
        return f"these rules exclude each other: {joined}; {found}"


def explain_empty(
    space: Space, extra: Iterable[tuple[str, Boolean, Origin | str | None]] = ()
) -> Explanation:
    """Explain why the space, together with the `extra` labelled conditions, holds no assignment.

    Raises ValueError when it does hold one, SolverTimeoutError when the solver cannot tell.
    """
    whole = space.extended(Constraint(label, condition, origin) for label, condition, origin in extra)
    conflict = find_conflict(whole)
    if conflict is None:
        raise ValueError("the space is not empty, so there is nothing to explain")
    sentences: list[str] = []
    repairs: list[Repair] = []
    for index in conflict:
        sides = _sides(whole.constraints[index], whole.conditions[index])
        rest = [k for k in range(len(whole.constraints)) if k != index]
        constraint = whole.constraints[index]
        if sides is None:
            sentences.append(str(constraint))
            repairs.extend(_dropped(whole, constraint, rest))
            continue
        numbers = _closest(whole, sides, rest)
        if numbers is not None:
            repairs.append(_relaxed(constraint, sides, numbers))
        else:
            # Another conflict remains without this constraint, so its numbers come from this conflict alone.
            numbers = _closest(whole, sides, [k for k in conflict if k != index])
        sentences.append(_sentence(constraint, sides, numbers) if numbers else str(constraint))
    return Explanation(
        tuple(whole.constraints[index] for index in conflict),
        tuple(sentences),
        tuple(sorted(repairs, key=lambda repair: repair.cost)),
    )


@dataclass(frozen=True, slots=True)
class _Sides:
    """An inequality as `smaller <= greater`, or a fixed value as `smaller == greater`, over knobs alone."""

    smaller: Expression
    greater: Expression
    fixed: bool = False

    @property
    def gap(self) -> Expression:
        """By how much an assignment breaks it, where it does."""
        below = self.smaller - self.greater
        return maximum(below, -below) if self.fixed else below

    @property
    def is_demand(self) -> bool:
        """Whether it is a demand (a number on the smaller side) rather than a capacity."""
        return isinstance(self.smaller, Const)


def _sides(constraint: Constraint, condition: Boolean) -> _Sides | None:
    match constraint.condition, condition:
        # A variable held at a value could be held at another; the two sides of a split could not.
        case Compare("==", Var(), Const()), Compare("==", left, right):
            return _Sides(right, left, fixed=True)
    match condition:
        case Compare("<=", left, right):
            return _Sides(left, right)
        case Compare("<", left, right):
            return _Sides(left + 1, right)
        case Compare(">=", left, right):
            return _Sides(right, left)
        case Compare(">", left, right):
            return _Sides(right + 1, left)
    return None


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Both sides of an inequality where it is broken least; `proven` when no assignment breaks it less."""

    smaller: int
    greater: int
    proven: bool


def _part(space: Space, indices: Collection[int]) -> Space:
    return Space(space.knobs, space.derived, tuple(space.constraints[k] for k in indices))


def _closest(space: Space, sides: _Sides, others: Collection[int]) -> _Numbers | None:
    """The numbers of an inequality while the other constraints hold; None when these cannot hold either."""
    part = _part(space, others)
    try:
        optimum = CpBackend(part, EFFORT).minimise(sides.gap)
    except SolverTimeoutError:
        return None
    if optimum is None:
        return None
    row = part.row(optimum.values)[None, :]
    evaluator = Evaluator(part)
    smaller, greater = (int(evaluator.evaluate(side, row)[0]) for side in (sides.smaller, sides.greater))
    return _Numbers(smaller, greater, optimum.objective == optimum.bound)


def _sentence(constraint: Constraint, sides: _Sides, numbers: _Numbers) -> str:
    about = "" if numbers.proven else "about "
    low, high = number(numbers.smaller), number(numbers.greater)
    if sides.fixed:
        fact = f"asks for {low}, but the nearest possible is {about}{high}"
    elif sides.is_demand:
        fact = f"asks for at least {low}, but at most {about}{high} is possible"
    else:
        fact = f"needs at least {about}{low}, has {high}"
    return f"{constraint.label}{_place(constraint)} {fact} ({to_prose(constraint.condition)})"


def _relaxed(constraint: Constraint, sides: _Sides, numbers: _Numbers) -> Repair:
    limit, needed = numbers.greater, numbers.smaller
    if sides.is_demand:
        limit, needed = needed, limit
    name = f"'{constraint.label}'{_place(constraint)}"
    sentence = f"relaxing {name} alone from {number(limit)} to {number(needed)} would make it fit"
    return Repair(constraint, limit, needed, sentence)


def _dropped(space: Space, constraint: Constraint, rest: Collection[int]) -> list[Repair]:
    try:
        if CpBackend(_part(space, rest), EFFORT).is_empty():
            return []
    except SolverTimeoutError:
        return []
    sentence = f"dropping '{constraint.label}'{_place(constraint)} alone would make it fit"
    return [Repair(constraint, None, None, sentence)]


def _place(constraint: Constraint) -> str:
    return f" ({constraint.origin})" if constraint.origin else ""
