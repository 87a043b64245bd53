"""The vectorised reader of a space: columns, validity, and violations with their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from heron_cli.errors import Origin
from heron_cli.space.columns import Column, Columns, Program
from heron_cli.space.expression import Compare, Expression, Modulo, Node, Var
from heron_cli.space.prose import number, to_prose
from heron_cli.space.space import Rows, Space


@dataclass(frozen=True, slots=True)
class Violation:
    """A constraint that an assignment breaks; `left` and `right` are the sides of a comparison, else None.

    `excess` says by how much: the least change of one side that would satisfy it.
    """

    label: str
    origin: Origin | str | None
    prose: str
    left: int | None
    right: int | None
    excess: int | None = None

    def __str__(self) -> str:
        place = f" ({self.origin})" if self.origin else ""
        sides = (
            ""
            if self.left is None or self.right is None
            else f": {number(self.left)} against {number(self.right)}"
        )
        if sides and self.excess is not None:
            sides += f", off by {number(self.excess)}"
        return f"{self.label}{place}: {self.prose}{sides}"


class Evaluator:
    """Evaluates the trees of one space on rows of knob values.

    Answers are exact for all rows of values within the domains; a row with any other value is invalid.
    Integer columns of valid rows are exact up to LIMIT = 2**52, which `SpaceBuilder.build` guarantees.
    """

    def __init__(self, space: Space):
        self.space = space
        self._programs: dict[tuple[str, ...], Program] = {}
        self._position = {name: k for k, name in enumerate(space.names)}
        self._domains = [np.array(knob.values, np.int64) for knob in space.knobs]

    def columns(self, rows: Rows) -> dict[str, Column]:
        """The columns of all knobs and derived variables, int64 [n] each, by name."""
        names = (*self.space.names, *(item.name for item in self.space.derived))
        return dict(zip(names, self.of(names, rows), strict=True))

    def of(self, names: tuple[str, ...], rows: Rows) -> list[Column]:
        """The columns of these knobs and derived variables, int64 [n] each."""
        if names not in self._programs:
            trees = [self.space.resolve(Var(name)) for name in names]
            self._programs[names] = Program(trees, self.space.names, self.space.risky)
        return self._programs[names].run(self._matrix(rows))

    def evaluate(self, expression: Expression, rows: Rows) -> Column:
        """The value of any expression over knobs and derived variables, int64 [n]."""
        rows = self._matrix(rows)
        return np.broadcast_to(self._reader(rows).of(self.space.resolve(expression)), len(rows))

    def valid(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which rows take their values from the domains and satisfy every constraint, bool [n]."""
        rows = self._matrix(rows)
        result = np.ones(len(rows), bool)
        for k, domain in enumerate(self._domains):
            result &= domain[np.minimum(np.searchsorted(domain, rows[:, k]), len(domain) - 1)] == rows[:, k]
        # Trees may only be evaluated on values of the domains: elsewhere a divisor could be zero.
        inside = np.flatnonzero(result)
        for column in self._conditions.run(rows[inside]):
            result[inside] &= column.astype(bool)
        return result

    @cached_property
    def _conditions(self) -> Program:
        return Program(self.space.conditions, self.space.names, self.space.risky)

    def violations(self, values: Mapping[str, int]) -> list[Violation]:
        """What an assignment breaks, with numbers; derived variables among `values` are recomputed.

        Raises KeyError when a knob has no value.
        """
        found: list[Violation] = []
        for knob in self.space.knobs:
            if values[knob.name] not in knob.values:
                listed = ", ".join(map(number, knob.values[:16])) + (", …" if len(knob.values) > 16 else "")
                text = f"{knob.name} is one of {listed}"
                found.append(
                    Violation(f"candidates of {knob.name}", None, text, int(values[knob.name]), None)
                )
        if found:
            return found
        reader = self._reader(self.space.row(values)[None, :])
        for constraint, condition in zip(self.space.constraints, self.space.conditions, strict=True):
            if np.all(reader.of(condition)):
                continue
            left = right = excess = None
            if isinstance(condition, Compare) and not isinstance(condition.left, Modulo):
                left, right = (int(np.max(reader.of(side))) for side in (condition.left, condition.right))
                excess = abs(left - right) + (condition.op in ("<", ">", "!="))
            text = to_prose(constraint.condition)
            found.append(Violation(constraint.label, constraint.origin, text, left, right, excess))
        return found

    def _matrix(self, rows: Rows) -> Rows:
        rows = np.asarray(rows, np.int64)
        if rows.ndim != 2 or rows.shape[1] != len(self.space.knobs):
            raise ValueError(f"expected rows [n, {len(self.space.knobs)}], got shape {rows.shape}")
        return rows

    def _reader(self, rows: Rows) -> Columns:
        return Columns(ColumnOfKnob(rows, self._position), self.space.risky)


@dataclass(frozen=True, slots=True)
class ColumnOfKnob:
    """Finds the columns of knobs in a matrix of rows."""

    rows: Rows
    position: Mapping[str, int]

    def __call__(self, node: Node) -> Column | None:
        """The column of a knob, None for any other node."""
        return self.rows[:, self.position[node.name]] if isinstance(node, Var) else None
