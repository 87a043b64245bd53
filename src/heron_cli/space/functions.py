"""Functions that build expression trees where Python has no operator for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from heron_cli.space.expression import (
    FALSE,
    TRUE,
    All,
    Any_,
    Boolean,
    Const,
    Expression,
    Maximum,
    Minimum,
    Not,
    Select,
    compare,
    const,
)


def _condition(item: Boolean) -> Boolean:
    if not isinstance(item, Boolean):
        raise TypeError(
            f"expected a condition, got {item!r}; == and != compare trees: use equal and different"
        )
    return item


def all_of(*items: Boolean) -> Boolean:
    """The conjunction; without items, true."""
    kept: dict[Boolean, None] = {}
    for item in map(_condition, items):
        kept.update(dict.fromkeys(item.items if isinstance(item, All) else (item,)))
    if FALSE in kept:
        return FALSE
    return next(iter(kept)) if len(kept) == 1 else All(tuple(kept))


def any_of(*items: Boolean) -> Boolean:
    """The disjunction; without items, false."""
    kept: dict[Boolean, None] = {}
    for item in map(_condition, items):
        kept.update(dict.fromkeys(item.items if isinstance(item, Any_) else (item,)))
    if TRUE in kept:
        return TRUE
    return next(iter(kept)) if len(kept) == 1 else Any_(tuple(kept))


def negate(item: Boolean) -> Boolean:
    """The negation."""
    condition = _condition(item)
    if isinstance(condition, Not):
        return condition.item
    if item == TRUE:
        return FALSE
    return TRUE if item == FALSE else Not(item)


def equal(left: Expression | int, right: Expression | int) -> Boolean:
    """`left == right`."""
    return compare("==", left, right)


def different(left: Expression | int, right: Expression | int) -> Boolean:
    """`left != right`."""
    return compare("!=", left, right)


def at_most(left: Expression | int, right: Expression | int) -> Boolean:
    """`left <= right`."""
    return compare("<=", left, right)


def at_least(left: Expression | int, right: Expression | int) -> Boolean:
    """`left >= right`."""
    return compare(">=", left, right)


def divides(divisor: Expression | int, value: Expression | int) -> Boolean:
    """`divisor` divides `value`; the divisor must be positive."""
    return compare("==", const(value) % divisor, 0)


def implies(condition: Boolean, consequence: Boolean) -> Boolean:
    """The consequence holds wherever the condition does."""
    return any_of(negate(condition), consequence)


def one_of(value: Expression | int, allowed: Sequence[int]) -> Boolean:
    """`value` is one of the allowed numbers."""
    return any_of(*(compare("==", value, item) for item in allowed))


def minimum(*items: Expression | int) -> Expression:
    """The least of one or more items."""
    return _extreme(Minimum, min, items)


def maximum(*items: Expression | int) -> Expression:
    """The greatest of one or more items."""
    return _extreme(Maximum, max, items)


def _extreme(
    kind: type[Minimum | Maximum],
    fold: Callable[[list[int]], int],
    items: Sequence[Expression | int],
) -> Expression:
    kept: dict[Expression, None] = {}
    numbers: list[int] = []
    for item in map(const, items):
        for part in item.items if isinstance(item, kind) else (item,):
            if isinstance(part, Const):
                numbers.append(part.value)
            else:
                kept[part] = None
    parts = list(kept)
    if numbers:
        parts.append(Const(fold(numbers)))
    if not parts:
        raise ValueError("the minimum or maximum of nothing")
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def select(index: Expression | int, cases: Sequence[Expression | int]) -> Expression:
    """`cases[index]`, with the first case at index 0."""
    position, lifted = const(index), tuple(map(const, cases))
    if not lifted:
        raise ValueError("a selection needs at least one case")
    if isinstance(position, Const):
        if not 0 <= position.value < len(lifted):
            raise ValueError(f"the selection has {len(lifted)} cases, so no case {position.value}")
        return lifted[position.value]
    # The index must still be checked against the cases, so equal cases fold only when there is nothing to
    # choose at all: a caller with one case has an index domain of {0}.
    return Select(position, lifted)
