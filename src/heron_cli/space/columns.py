"""Evaluation of expression trees on columns of whole numbers.

Values are int64. Where the plain range of a node (taken without the caps that constraints imply) exceeds
LIMIT, the node is evaluated saturating at plus or minus LIMIT: a row that respects the caps never gets there,
and a row that does not is told apart by the very constraint that implies the cap, whose other side is below
LIMIT. So a validity answer is exact for every row of values within the domains, without wrap-around.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce

import numpy as np
import numpy.typing as npt

from heron_cli.space.expression import (
    COMPARISONS,
    All,
    Any_,
    CeilDiv,
    Compare,
    Const,
    FloorDiv,
    Maximum,
    Minimum,
    Modulo,
    Node,
    Not,
    Product,
    Select,
    Sum,
    Var,
)
from heron_cli.space.interval import LIMIT, Box, IntervalAnalysis

# Integer columns are int64, boolean ones bool; constants stay scalars until they meet a column.
Column = npt.NDArray[np.int64]
Leaf = Callable[[Node], Column | None]


class Risky:
    """The nodes over a box that may exceed LIMIT on rows that break a constraint; each is judged once."""

    def __init__(self, box: Box):
        self._analysis = IntervalAnalysis(box)
        self._known: dict[Node, bool] = {}

    def __contains__(self, node: Node) -> bool:
        known = self._known.get(node)
        if known is None:
            low, high = self._analysis.of(node)
            known = not (float(np.min(low)) >= -LIMIT and float(np.max(high)) <= LIMIT)
            self._known[node] = known
        return known


class Columns:
    """Columns of one set of rows, each node computed once.

    `leaf` gives the column of a node where it is known without computing (a knob, a table's column) and None
    elsewhere.
    """

    def __init__(self, leaf: Leaf, risky: Risky):
        self._leaf = leaf
        self._risky = risky
        self._known: dict[Node, Column] = {}

    def of(self, node: Node) -> Column:
        """The column of a tree: int64, or bool for a condition; a scalar for a constant."""
        known = self._known.get(node)
        if known is None:
            known = self._leaf(node)
            self._known[node] = known = self._compute(node) if known is None else known
        return known

    def adopt(self, other: Columns, nodes: Iterable[Node], rows: npt.NDArray[np.intp]) -> None:
        """Take over some rows of columns that were computed for a superset of these rows."""
        for node in nodes:
            column = other._known.get(node)
            if column is not None:
                self._known[node] = column[rows] if np.ndim(column) else column

    def _compute(self, node: Node) -> Column:
        match node:
            case Const(value):
                return np.asarray(value, np.int64)
            case Sum(terms):
                if node in self._risky:
                    return reduce(_saturating_add, map(self.of, terms))
                return reduce(np.add, map(self.of, terms))
            case Product(factors):
                if node in self._risky:
                    return reduce(_saturating_multiply, map(self.of, factors))
                return reduce(np.multiply, map(self.of, factors))
            case FloorDiv(left, right):
                return np.floor_divide(self.of(left), self.of(right))
            case CeilDiv(left, right):
                return np.negative(np.floor_divide(np.negative(self.of(left)), self.of(right)))
            case Modulo(left, right):
                return np.mod(self.of(left), self.of(right))
            case Minimum(items):
                return reduce(np.minimum, map(self.of, items))
            case Maximum(items):
                return reduce(np.maximum, map(self.of, items))
            case Select(index, cases):
                return self._select(self.of(index), cases)
            case Compare(op, left, right):
                result: Column = COMPARISONS[op](self.of(left), self.of(right))
                return result
            case All(items):
                return reduce(np.logical_and, map(self.of, items), np.asarray(True))
            case Any_(items):
                return reduce(np.logical_or, map(self.of, items), np.asarray(False))
            case Not(item):
                return np.logical_not(self.of(item))
            case Var(name):
                raise KeyError(f"no column for the variable {name}")
        raise TypeError(f"no column for {type(node).__name__}")

    def _select(self, index: Column, cases: tuple[Node, ...]) -> Column:
        if all(isinstance(case, Const) for case in cases):
            return np.stack([self.of(case) for case in cases])[index]
        result = self.of(cases[0])
        for k, case in enumerate(cases[1:], 1):
            result = np.where(index == k, self.of(case), result)
        return result


def _saturating_multiply(a: Column, b: Column) -> Column:
    # The float product is exact up to LIMIT = 2**52 and monotone beyond, so the comparison is exact.
    exact = np.multiply(a, b, dtype=np.float64)
    return np.where(np.abs(exact) <= LIMIT, np.multiply(a, b), np.where(exact > 0, LIMIT, -LIMIT))


def _saturating_add(a: Column, b: Column) -> Column:
    return np.clip(np.add(a, b), -LIMIT, LIMIT)
