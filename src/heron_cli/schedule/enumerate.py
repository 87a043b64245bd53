"""Index expressions and conditions of TIR for many values of their variables at once.

Facts about small ranges are checked by trying every value: TVM's simplifier may write a bound in many ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_cli.schedule.access import NotAnEinsum, kind_of, name_of

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
