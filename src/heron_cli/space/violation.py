"""By how much rows break the constraints of a space: what penalty methods minimise."""

from __future__ import annotations

from functools import reduce

import numpy as np
import numpy.typing as npt

from heron_cli.space.columns import Columns
from heron_cli.space.evaluator import ColumnOfKnob, Evaluator
from heron_cli.space.expression import All, Any_, Boolean, Compare
from heron_cli.space.space import Rows

Amounts = npt.NDArray[np.float64]


def violation(evaluator: Evaluator, rows: Rows) -> Amounts:
    """0 for valid rows, else the number of broken constraints plus how far each is from holding, [n].

    A comparison is |l - r| / (1 + |l| + |r|) from holding, a share below 1 in which limits of bytes and of
    loop trips weigh alike; a conjunction is as far as its parts together, a disjunction as its nearest part
    but at most 1, anything else 1. Rows with a value outside the domains are infinitely far.
    """
    rows = np.asarray(rows, np.int64)
    space = evaluator.space
    inside = np.ones(len(rows), bool)
    for column, knob in enumerate(space.knobs):
        inside &= np.isin(rows[:, column], knob.values)
    result = np.where(inside, 0.0, np.inf)
    chosen = np.flatnonzero(inside)  # elsewhere a divisor could be zero
    position = {name: column for column, name in enumerate(space.names)}
    reader = Columns(ColumnOfKnob(rows[chosen], position), evaluator.space.risky)
    for condition in space.conditions:
        broken = ~np.asarray(reader.of(condition), bool)
        result[chosen] += np.where(broken, 1.0 + _gap(reader, condition), 0.0)
    return result


def _gap(reader: Columns, condition: Boolean) -> Amounts:
    """How far the condition is from holding, 0 where it holds."""
    broken = ~np.asarray(reader.of(condition), bool)
    match condition:
        case Compare(_, left, right):
            a, b = (np.asarray(reader.of(side), np.float64) for side in (left, right))
            gap = np.abs(a - b) / (1.0 + np.abs(a) + np.abs(b))
        case All(items):
            gap = reduce(np.add, (_gap(reader, item) for item in items), np.zeros(1))
        case Any_(items):
            gap = reduce(np.minimum, (_gap(reader, item) for item in items), np.ones(1))
        case _:
            gap = np.ones(1)
    return np.where(broken, gap, 0.0)
