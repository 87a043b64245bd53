"""Evaluation of expression trees on columns of whole numbers.

Values are int64. Where the plain range of a node (taken without the caps that constraints imply) exceeds
LIMIT, the node is evaluated saturating at plus or minus LIMIT: a row that respects the caps never gets there,
and a row that does not is told apart by the very constraint that implies the cap, whose other side is below
LIMIT. So a validity answer is exact for every row of values within the domains, without wrap-around.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce

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
from heron_cli.space.resolve import walk

# Integer columns are int64, boolean ones bool; constants stay scalars until they meet a column.
Column = npt.NDArray[np.int64]
Leaf = Callable[[Node], Column | None]
Operation = Callable[..., Column]


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
            if known is None:
                known = operation(node, self._risky)(*map(self.of, node.children()))
            self._known[node] = known
        return known

    def adopt(self, other: Columns, nodes: Iterable[Node], rows: npt.NDArray[np.intp]) -> None:
        """Take over some rows of columns that were computed for a superset of these rows."""
        for node in nodes:
            column = other._known.get(node)
            if column is not None:
                self._known[node] = column[rows] if np.ndim(column) else column


class Program:
    """Trees over knobs as one list of steps, so that evaluating them again costs no walk over their nodes."""

    def __init__(self, roots: Sequence[Node], knobs: Sequence[str], risky: Risky):
        """`knobs` name the columns of the rows."""
        slots: dict[Node, int] = {Var(name): k for k, name in enumerate(knobs)}
        self._steps: list[tuple[Operation, tuple[int, ...]]] = []
        for node in walk(roots):
            if node not in slots:
                slots[node] = len(slots)
                self._steps.append((operation(node, risky), tuple(slots[c] for c in node.children())))
        self._roots = [slots[root] for root in roots]

    def run(self, rows: npt.NDArray[np.int64]) -> list[Column]:
        """The column of each root, [n] each, for rows [n, knobs]."""
        known: list[Column] = list(rows.T)
        for function, arguments in self._steps:
            known.append(function(*[known[k] for k in arguments]))
        return [np.broadcast_to(known[root], len(rows)) for root in self._roots]


def operation(node: Node, risky: Risky) -> Operation:
    """What makes a node's column of those of its children."""
    match node:
        case Const(value):
            constant = np.asarray(value, np.int64)
            return lambda: constant
        case Sum():
            return partial(_fold, _saturating_add if node in risky else np.add)
        case Product():
            return partial(_fold, _saturating_multiply if node in risky else np.multiply)
        case FloorDiv():
            return np.floor_divide
        case CeilDiv():
            return lambda left, right: np.negative(np.floor_divide(np.negative(left), right))
        case Modulo():
            return np.mod
        case Minimum():
            return partial(_fold, np.minimum)
        case Maximum():
            return partial(_fold, np.maximum)
        case Select():
            return _select
        case Compare(op):
            return COMPARISONS[op]
        case All():
            return partial(_fold, np.logical_and, np.asarray(True))
        case Any_():
            return partial(_fold, np.logical_or, np.asarray(False))
        case Not():
            return np.logical_not
        case Var(name):
            raise KeyError(f"no column for the variable {name}")
    raise TypeError(f"no column for {type(node).__name__}")


def _fold(function: Operation, *columns: Column) -> Column:
    return reduce(function, columns)


def _select(index: Column, *cases: Column) -> Column:
    if not any(map(np.ndim, cases)):
        return np.stack(cases)[index]
    result = cases[0]
    for k, case in enumerate(cases[1:], 1):
        result = np.where(index == k, case, result)
    return result


def _saturating_multiply(a: Column, b: Column) -> Column:
    # The float product is exact up to LIMIT = 2**52 and monotone beyond, so the comparison is exact.
    exact = np.multiply(a, b, dtype=np.float64)
    return np.where(np.abs(exact) <= LIMIT, np.multiply(a, b), np.where(exact > 0, LIMIT, -LIMIT))


def _saturating_add(a: Column, b: Column) -> Column:
    return np.clip(np.add(a, b), -LIMIT, LIMIT)
