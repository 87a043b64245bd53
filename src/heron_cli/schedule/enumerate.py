"""Index expressions and conditions of TIR for many values of their variables at once.

Facts about small ranges are checked by trying every value: TVM's simplifier may write a bound in many ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_cli.schedule.access import NotAnEinsum, kind_of, name_of
from heron_cli.schedule.einsum import Dim

Values = NDArray[Any]


def evaluate(expression: Any, at: Mapping[str, Values]) -> Values:
    """The expression for arrays of its variables' values, which broadcast. Raises NotAnEinsum."""
    kind = kind_of(expression)
    if kind == "Var":
        return at[name_of(expression)]
    if kind == "IntImm":
        return np.asarray(int(expression.value))
    if kind == "Cast":
        return evaluate(expression.value, at)
    if kind == "Not":
        return np.logical_not(evaluate(expression.a, at))
    if kind not in _OPERATIONS:
        raise NotAnEinsum(f"{expression} is a {kind}, which is not understood")
    result: Values = _OPERATIONS[kind](evaluate(expression.a, at), evaluate(expression.b, at))
    return result


def variables(expression: Any) -> Iterator[str]:
    """The names of an expression's variables, some more than once."""
    if kind_of(expression) == "Var":
        yield name_of(expression)
    for side in ("a", "b", "value"):
        child = getattr(expression, side, None)
        if child is not None and not isinstance(child, int | float):
            yield from variables(child)


def components(names: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    """Sets that share a name joined, until none do."""
    found: list[frozenset[str]] = []
    for each in names:
        touching = [other for other in found if other & each]
        found = [other for other in found if not other & each]
        found.append(each.union(*touching))
    return found


def grid(names: Iterable[str], extents: Mapping[str, int]) -> dict[str, Values]:
    """All values of some iterators, as arrays that broadcast to all of their combinations."""
    ordered = sorted(names)
    axes = np.ix_(*(np.arange(extents[name]) for name in ordered))
    return dict(zip(ordered, axes, strict=True))


def coordinates(dim: Dim, at: Mapping[str, Values]) -> Values:
    """The coordinate along a dimension for arrays of its iterators' values, which broadcast."""
    return sum((at[name] * c for name, c in dim.terms), np.asarray(dim.offset))


_OPERATIONS: dict[str, Any] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "FloorDiv": np.floor_divide,
    "FloorMod": np.remainder,
    "Min": np.minimum,
    "Max": np.maximum,
    "EQ": np.equal,
    "NE": np.not_equal,
    "LT": np.less,
    "LE": np.less_equal,
    "GT": np.greater,
    "GE": np.greater_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
}
