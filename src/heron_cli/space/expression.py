"""Integer and boolean expression trees over named variables.

A tree is an immutable value with three readers that cannot drift apart, because none of them holds a rule
of its own: `columns` evaluates it on columns of numbers, `cp_compiler` posts it to CP-SAT, and `prose` prints
it for people. Operators on `Var` and the functions of `functions.py` build trees; both fold constants and
flatten what is nested. `==` compares trees, not values: `equal(a, b)` is the constraint.

Division is floored, divisors are positive, and the index of a `Select` stays inside its cases:
`SpaceBuilder.build` refuses trees that may break this.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from typing import Any


class Node:
    """What integer and boolean trees share: structural equality, a hash computed once, children."""

    __match_args__: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[Any, ...]:
        """The arguments that build an equal node."""
        return tuple(getattr(self, name) for name in self.__match_args__)

    def children(self) -> tuple[Node, ...]:
        """The nodes directly below this one, in order."""
        found: list[Node] = []
        for value in self.fields:
            if isinstance(value, Node):
                found.append(value)
            elif isinstance(value, tuple):
                found.extend(value)
        return tuple(found)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node) or type(self) is not type(other) or hash(self) != hash(other):
            return False
        return self is other or self.fields == other.fields

    def __hash__(self) -> int:
        known: int | None = self.__dict__.get("_hash")
        if known is None:
            known = hash((type(self).__name__, *self.fields))
            object.__setattr__(self, "_hash", known)
        return known

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        # String hashes differ between processes, so the cached hash must not travel.
        return type(self), self.fields


class Expression(Node):
    """An integer expression."""

    def __add__(self, other: Expression | int) -> Expression:
        return total((self, other))

    def __radd__(self, other: int) -> Expression:
        return total((other, self))

    def __sub__(self, other: Expression | int) -> Expression:
        return total((self, product((-1, other))))

    def __rsub__(self, other: int) -> Expression:
        return total((other, product((-1, self))))

    def __neg__(self) -> Expression:
        return product((-1, self))

    def __mul__(self, other: Expression | int) -> Expression:
        return product((self, other))

    def __rmul__(self, other: int) -> Expression:
        return product((other, self))

    def __floordiv__(self, other: Expression | int) -> Expression:
        return _divide(FloorDiv, self, _lift(other), lambda a, b: a // b)

    def __mod__(self, other: Expression | int) -> Expression:
        divisor = _lift(other)
        if divisor == Const(1):
            return Const(0)
        return _divide(Modulo, self, divisor, lambda a, b: a % b)

    def __le__(self, other: Expression | int) -> Boolean:
        return compare("<=", self, other)

    def __lt__(self, other: Expression | int) -> Boolean:
        return compare("<", self, other)

    def __ge__(self, other: Expression | int) -> Boolean:
        return compare(">=", self, other)

    def __gt__(self, other: Expression | int) -> Boolean:
        return compare(">", self, other)


@dataclass(frozen=True, eq=False)
class Const(Expression):
    """A whole number."""

    value: int


@dataclass(frozen=True, eq=False)
class Var(Expression):
    """A knob or a derived variable, by name."""

    name: str


@dataclass(frozen=True, eq=False)
class Sum(Expression):
    """The sum of two or more terms; at most the last is a constant."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class Product(Expression):
    """The product of two or more factors; at most the first is a constant."""

    factors: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class FloorDiv(Expression):
    """`left // right`, rounded down."""

    left: Expression
    right: Expression


@dataclass(frozen=True, eq=False)
class CeilDiv(Expression):
    """`left / right`, rounded up: kept apart from FloorDiv because its bounds are tighter."""

    left: Expression
    right: Expression


@dataclass(frozen=True, eq=False)
class Modulo(Expression):
    """`left % right`, between 0 and `right - 1`."""

    left: Expression
    right: Expression


@dataclass(frozen=True, eq=False)
class Minimum(Expression):
    """The least of two or more items."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class Maximum(Expression):
    """The greatest of two or more items."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class Select(Expression):
    """`cases[index]`."""

    index: Expression
    cases: tuple[Expression, ...]


class Boolean(Node):
    """A boolean expression: what a space requires."""

    def __bool__(self) -> bool:
        raise TypeError(
            "a symbolic condition has no truth value; write all_of(a <= b, b <= c), not a <= b <= c"
        )


@dataclass(frozen=True, eq=False)
class Compare(Boolean):
    """`left op right` with op one of == != < <= > >=."""

    op: str
    left: Expression
    right: Expression


@dataclass(frozen=True, eq=False)
class All(Boolean):
    """Every item holds; without items, true."""

    items: tuple[Boolean, ...]


@dataclass(frozen=True, eq=False)
class Any_(Boolean):
    """At least one item holds; without items, false."""

    items: tuple[Boolean, ...]


@dataclass(frozen=True, eq=False)
class Not(Boolean):
    """The item does not hold."""

    item: Boolean


TRUE = All(())
FALSE = Any_(())
_TESTS = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = dict(
    zip(("==", "!=", "<", "<=", ">", ">="), _TESTS, strict=True)
)


def _lift(value: Expression | int) -> Expression:
    if isinstance(value, Expression):
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"expected a whole number or an expression, got {value!r}")
    return Const(value.__index__())


def _divide(
    kind: type[FloorDiv | CeilDiv | Modulo],
    left: Expression,
    right: Expression,
    fold: Callable[[int, int], int],
) -> Expression:
    if isinstance(right, Const):
        if right.value <= 0:
            raise ValueError(f"a divisor must be positive, got {right.value}")
        if isinstance(left, Const):
            return Const(fold(left.value, right.value))
        if right.value == 1 and kind is not Modulo:
            return left
    return kind(left, right)


def const(value: Expression | int) -> Expression:
    """An expression from an expression (unchanged) or a whole number."""
    return _lift(value)


def total(terms: Iterable[Expression | int]) -> Expression:
    """The sum of any number of terms."""
    kept: list[Expression] = []
    constant = 0
    for term in map(_lift, terms):
        for part in term.terms if isinstance(term, Sum) else (term,):
            if isinstance(part, Const):
                constant += part.value
            else:
                kept.append(part)
    if constant or not kept:
        kept.append(Const(constant))
    return kept[0] if len(kept) == 1 else Sum(tuple(kept))


def product(factors: Iterable[Expression | int]) -> Expression:
    """The product of any number of factors."""
    kept: list[Expression] = []
    constants: list[int] = []
    for factor in map(_lift, factors):
        for part in factor.factors if isinstance(factor, Product) else (factor,):
            if isinstance(part, Const):
                constants.append(part.value)
            else:
                kept.append(part)
    constant = prod(constants)
    if constant == 0 or not kept:
        return Const(constant)
    if constant != 1:
        kept.insert(0, Const(constant))
    return kept[0] if len(kept) == 1 else Product(tuple(kept))


def ceil_div(left: Expression | int, right: Expression | int) -> Expression:
    """`left / right` rounded up; the divisor must be positive."""
    return _divide(CeilDiv, _lift(left), _lift(right), lambda a, b: -(-a // b))


def compare(op: str, left: Expression | int, right: Expression | int) -> Boolean:
    """`left op right`; op is one of == != < <= > >=."""
    if op not in COMPARISONS:
        raise ValueError(f"unknown comparison {op!r}; known are {' '.join(COMPARISONS)}")
    a, b = _lift(left), _lift(right)
    if isinstance(a, Const) and isinstance(b, Const):
        return TRUE if COMPARISONS[op](a.value, b.value) else FALSE
    return Compare(op, a, b)
