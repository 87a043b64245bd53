"""What a rule's expression can be at all: interval arithmetic over everything that is known statically."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from heron_cli.accelerator.model import Accelerator
from heron_cli.accelerator.nodes import Binary, Boolean, Call, Compare, Contains, Name, Node, Not, Number

Interval = tuple[float, float]  # inclusive; infinite where nothing bounds it

_INFINITE = float("inf")


def truth(node: Node, accelerator: Accelerator) -> bool | None:
    """Whether a condition is the same for every assignment: True, False, or None if it depends or is unknown.

    Factors and tiles are at least 1, constants are themselves; nothing relates one name to another.
    """
    match node:
        case Not():
            inner = truth(node.item, accelerator)
            return None if inner is None else not inner
        case Boolean():
            found = [truth(item, accelerator) for item in node.items]
            decisive = node.op == "or"
            if decisive in found:
                return decisive
            return None if None in found else not decisive
        case Compare():
            pairs = [
                _compare(op, interval(left, accelerator), interval(right, accelerator))
                for left, op, right in node.pairs
            ]
            return False if False in pairs else None if None in pairs else True
        case Contains():
            item = interval(node.item, accelerator)
            equal = [_compare("==", item, interval(choice, accelerator)) for choice in node.choices]
            return True if True in equal else None if None in equal else False
        case _:
            return None


def interval(node: Node, accelerator: Accelerator) -> Interval:
    """The least and the greatest value of an integer expression, each possibly infinite."""
    match node:
        case Number():
            return (node.value, node.value)
        case Name():
            return _name(node, accelerator)
        case Binary():
            return _binary(node.op, interval(node.left, accelerator), interval(node.right, accelerator))
        case Call():
            parts = [interval(argument, accelerator) for argument in node.arguments]
            pick = min if node.function == "min" else max
            return (pick(low for low, _ in parts), pick(high for _, high in parts))
        case _:
            return (-_INFINITE, _INFINITE)


def _name(name: Name, accelerator: Accelerator) -> Interval:
    constants: Mapping[str, int] = accelerator.constants
    if (value := constants.get(str(name))) is not None:
        return (value, value)
    levels = {level.name: level for level in accelerator.levels}
    level = levels.get(name.path[0])
    if level is not None and level.at_most is not None and level.bind is not None:
        return (1, max(1, level.at_most))  # of a bound level the product is bounded, of others each factor
    return (1, _INFINITE)


def _binary(op: str, left: Interval, right: Interval) -> Interval:
    if op == "+":
        return (left[0] + right[0], left[1] + right[1])
    if op == "-":
        return (left[0] - right[1], left[1] - right[0])
    if op == "*":
        # 0 * infinity counts as 0: the infinite end is never reached.
        corners = [0.0 if 0 in pair else pair[0] * pair[1] for pair in product(left, right)]
        return (min(corners), max(corners))
    if right[0] <= 0:
        return (-_INFINITE, _INFINITE)  # the divisor may be 0 or negative; nothing is said
    if op == "%":
        return (0, min(right[1] - 1, left[1]) if left[0] >= 0 else right[1] - 1)
    corners = [_quotient(a, b) for a, b in product(left, right)]
    return (min(corners), max(corners))


def _quotient(a: float, b: float) -> float:
    if abs(a) == _INFINITE:
        return a if abs(b) != _INFINITE else 0.0
    return (-1.0 if a < 0 else 0.0) if b == _INFINITE else float(a // b)


def _compare(op: str, left: Interval, right: Interval) -> bool | None:
    match op:
        case "<":
            return _decide(left[1] < right[0], left[0] >= right[1])
        case "<=":
            return _decide(left[1] <= right[0], left[0] > right[1])
        case ">" | ">=":
            return _compare("<" if op == ">" else "<=", right, left)
    apart = left[1] < right[0] or right[1] < left[0]
    same = left == right and left[0] == left[1]
    return _decide(same, apart) if op == "==" else _decide(apart, same)


def _decide(always: bool, never: bool) -> bool | None:
    return True if always else False if never else None
