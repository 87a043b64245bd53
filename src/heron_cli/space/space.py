"""A space: knobs with finite domains, named derived variables, labelled constraints; immutable once built."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from heron_cli.errors import Origin, SpaceEmptyError
from heron_cli.space.columns import Risky
from heron_cli.space.expression import Boolean, Expression, Node, Var, const
from heron_cli.space.interval import Box, Cap, find_caps
from heron_cli.space.prose import to_prose
from heron_cli.space.resolve import Resolver, check_tree, support

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Knob:
    """A tunable variable; `values` is sorted and free of duplicates."""

    name: str
    values: tuple[int, ...]
    group: str = ""


@dataclass(frozen=True, slots=True)
class Derived:
    """A variable that follows from the knobs."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Constraint:
    """A labelled condition; several conditions of one rule may share its label."""

    label: str
    condition: Boolean
    origin: Origin | str | None = None
    why: str = ""

    def __str__(self) -> str:
        place = f" ({self.origin})" if self.origin else ""
        return f"{self.label}{place}: {to_prose(self.condition)}"


@dataclass(frozen=True)
class Space:
    """Knobs, derived variables and constraints. Build one with SpaceBuilder, which checks them.

    A row is an int64 vector of knob values in the order of `knobs`; rows form a matrix [n, len(knobs)].
    """

    knobs: tuple[Knob, ...]
    derived: tuple[Derived, ...]
    constraints: tuple[Constraint, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The knob names, in the order of the columns of rows."""
        return tuple(knob.name for knob in self.knobs)

    @cached_property
    def domains(self) -> Mapping[str, tuple[int, ...]]:
        """The candidate values of each knob."""
        return {knob.name: knob.values for knob in self.knobs}

    @cached_property
    def box(self) -> Box:
        """The least and the greatest value of each knob."""
        return {knob.name: (float(knob.values[0]), float(knob.values[-1])) for knob in self.knobs}

    @cached_property
    def risky(self) -> Risky:
        """Which nodes of resolved trees need saturating arithmetic."""
        return Risky(self.box)

    @cached_property
    def caps(self) -> tuple[Cap, ...]:
        """Bounds on products of knobs that the constraints imply."""
        return tuple(find_caps(self.conditions, self.box))

    @cached_property
    def _resolver(self) -> Resolver:
        return Resolver({item.name: item.expression for item in self.derived})

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        # What is cached is cheap to find again and large to send.
        return Space, (self.knobs, self.derived, self.constraints)

    def resolve(self, node: Node) -> Node:
        """The same tree over knobs alone: derived variables replaced by what they stand for."""
        return self._resolver.resolve(node)

    def expression(self, node: Expression | int) -> Expression:
        """An integer expression over knobs alone."""
        found = self.resolve(const(node))
        assert isinstance(found, Expression)
        return found

    @cached_property
    def conditions(self) -> tuple[Boolean, ...]:
        """The condition of each constraint over knobs alone, in the order of `constraints`."""
        found = []
        for constraint in self.constraints:
            condition = self.resolve(constraint.condition)
            assert isinstance(condition, Boolean)
            found.append(condition)
        return tuple(found)

    @cached_property
    def digest(self) -> str:
        """Sha-256 of what the space means: names, values and trees, but not origins or reasons."""
        parts = [
            *(f"knob {knob.name} {knob.values}" for knob in self.knobs),
            *(f"derived {item.name} = {to_prose(item.expression)}" for item in self.derived),
            *(f"require {item.label}: {to_prose(item.condition)}" for item in self.constraints),
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def row(self, values: Mapping[str, int]) -> Rows:
        """The row of a mapping that names every knob; other names are ignored."""
        return np.array([values[name] for name in self.names], np.int64)

    def values(self, row: npt.ArrayLike) -> dict[str, int]:
        """The knob values of one row by name."""
        return dict(zip(self.names, np.asarray(row).tolist(), strict=True))

    def without(self, labels: Collection[str]) -> Space:
        """The space that lacks the constraints with these labels; its values may exceed the checked limit."""
        kept = tuple(item for item in self.constraints if item.label not in labels)
        return Space(self.knobs, self.derived, kept)

    def extended(self, extra: Iterable[Constraint]) -> Space:
        """The space with more constraints, checked like those of a builder."""
        builder = SpaceBuilder(self)
        for item in extra:
            builder.require(item.label, item.condition, item.origin, item.why)
        return builder.build()


class SpaceBuilder:
    """Collects knobs, derived variables and constraints; `build` checks them and freezes the result."""

    def __init__(self, base: Space | None = None):
        self._knobs = list(base.knobs) if base else []
        self._derived = list(base.derived) if base else []
        self._constraints = list(base.constraints) if base else []
        self._names = {knob.name for knob in self._knobs} | {item.name for item in self._derived}

    def knob(self, name: str, values: Iterable[int], group: str = "") -> Var:
        """Add a tunable variable with these candidate values.

        Raises SpaceEmptyError when there is no value, ValueError when the name is taken.
        """
        domain = tuple(sorted({int(value) for value in values}))
        if not domain:
            raise SpaceEmptyError(f"the space is empty: knob {name} has no candidate value")
        self._take(name)
        self._knobs.append(Knob(name, domain, group))
        return Var(name)

    def derive(self, name: str, expression: Expression | int) -> Var:
        """Add a variable that stands for an expression over names that exist already."""
        lifted = const(expression)
        self._check_names(lifted, f"derived variable {name}")
        self._take(name)
        self._derived.append(Derived(name, lifted))
        return Var(name)

    def require(
        self, label: str, condition: Boolean, origin: Origin | str | None = None, why: str = ""
    ) -> None:
        """Add a constraint; `origin` says which rule, stage or line of a file it comes from."""
        if not isinstance(condition, Boolean):
            raise TypeError(f"constraint {label!r} must be a condition, got {condition!r}")
        self._check_names(condition, f"constraint {label!r}")
        self._constraints.append(Constraint(label, condition, origin, why))

    def build(self) -> Space:
        """The space. Raises ValueError when there is no knob, for a divisor that may be below 1, a selection
        index that may leave its cases, or a value that may exceed LIMIT.
        """
        if not self._knobs:
            raise ValueError("a space needs at least one knob")
        space = Space(tuple(self._knobs), tuple(self._derived), tuple(self._constraints))
        trees: list[tuple[str, Node]] = [
            *((f"derived variable {d.name}", space.resolve(Var(d.name))) for d in space.derived),
            *(
                (f"constraint {c.label!r}", t)
                for c, t in zip(space.constraints, space.conditions, strict=True)
            ),
        ]
        check_tree(trees, space.box, space.caps)
        return space

    def _take(self, name: str) -> None:
        if name in self._names:
            raise ValueError(f"the variable {name} exists already")
        self._names.add(name)

    def _check_names(self, node: Node, what: str) -> None:
        unknown: Sequence[str] = sorted(support(node) - self._names)
        if unknown:
            raise ValueError(f"{what} names {', '.join(unknown)}, which the space does not have")
