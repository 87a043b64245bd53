"""The CP-SAT reader of expression trees: integer trees become affine terms, conditions become constraints.

Every auxiliary variable is a function of the knobs, so solutions and assignments correspond one to one. A
tree over a single knob becomes a table; products become chains of binary multiplications whose partial
products respect the caps that the constraints imply.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ortools.sat.python import cp_model

from heron_cli.space.expression import (
    All,
    Any_,
    Boolean,
    CeilDiv,
    Compare,
    Const,
    Expression,
    FloorDiv,
    Maximum,
    Minimum,
    Modulo,
    Not,
    Product,
    Select,
    Sum,
    Var,
    product,
)
from heron_cli.space.functions import negate
from heron_cli.space.interval import Cap, cover
from heron_cli.space.ranges import Ranges
from heron_cli.space.resolve import support
from heron_cli.space.space import Space

Linear = Any  # a linear expression of ortools, or a whole number
Literal = Any  # a boolean variable of ortools or its negation

_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", "<=": ">", ">": "<="}
_PRODUCT_LIMIT = 1 << 62
_FACTOR_LIMIT = 1 << 31


class Compiler:
    """A growing CP-SAT model over the knobs of a space; trees must be resolved.

    `caps` may bound auxiliary variables only when the constraints that imply them are posted as well.
    """

    def __init__(self, space: Space, caps: Sequence[Cap] = ()):
        self.model = cp_model.CpModel()
        self._caps = caps
        self._ranges = Ranges(space, caps)
        self._integers: dict[Expression, Linear] = {}
        self._literals: dict[Boolean, Literal] = {}
        for knob in space.knobs:
            domain = cp_model.Domain.from_values(list(knob.values))
            self._integers[Var(knob.name)] = self.model.new_int_var_from_domain(domain, knob.name)

    def integer(self, node: Expression) -> Linear:
        """A linear expression equal to an integer tree."""
        known = self._integers.get(node)
        if known is None:
            known = self._integers[node] = self._integer(node)
        return known

    def variable(self, node: Expression) -> cp_model.IntVar:
        """A variable equal to an integer tree."""
        value = self.integer(node)
        if isinstance(value, cp_model.IntVar):
            return value
        variable = self._auxiliary(node)
        self.model.add(variable == value)
        if not isinstance(node, Const):
            self._integers[node] = variable
        return variable

    def post(self, condition: Boolean, when: Literal | None = None) -> None:
        """Require a condition, or require it only where the literal `when` is true."""
        match condition:
            case Compare():
                _enforce(self._comparison(condition, condition.op), when)
            case All(items):
                for item in items:
                    self.post(item, when)
            case Any_(items):
                _enforce(self.model.add_bool_or([self.literal(item) for item in items]), when)
            case Not(All(items)):
                self.post(Any_(tuple(map(negate, items))), when)
            case Not(Any_(items)):
                self.post(All(tuple(map(negate, items))), when)
            case Not(Compare() as comparison):
                _enforce(self._comparison(comparison, _OPPOSITE[comparison.op]), when)
            case _:
                raise TypeError(f"cannot post {type(condition).__name__}")

    def literal(self, condition: Boolean) -> Literal:
        """A literal that is true exactly where the condition holds."""
        if isinstance(condition, Not):
            return ~self.literal(condition.item)
        known = self._literals.get(condition)
        if known is None:
            known = self._literals[condition] = self.model.new_bool_var("")
            self.post(condition, known)
            self.post(negate(condition), ~known)
        return known

    def _comparison(self, node: Compare, op: str) -> cp_model.Constraint:
        left, right = self.integer(node.left), self.integer(node.right)
        relation: Any = {
            "==": lambda: left == right,
            "!=": lambda: left != right,
            "<=": lambda: left <= right,
            "<": lambda: left < right,
            ">=": lambda: left >= right,
            ">": lambda: left > right,
        }[op]()
        return self.model.add(relation)

    def _auxiliary(self, node: Expression) -> cp_model.IntVar:
        values = self._ranges.values(node)
        low, high = self._ranges.bounds(node)
        if values is None:
            return self.model.new_int_var(low, high, "")
        kept = [value for value in values if low <= value <= high] or list(values)
        return self.model.new_int_var_from_domain(cp_model.Domain.from_values(kept), "")

    def _integer(self, node: Expression) -> Linear:
        if isinstance(node, Const):
            return node.value
        if isinstance(node, Sum):
            return sum(self.integer(term) for term in node.terms)
        if isinstance(node, Product) and isinstance(node.factors[0], Const):
            return node.factors[0].value * self.integer(product(node.factors[1:]))
        names = sorted(support(node))
        if len(names) == 1 and self._ranges.values(node) is not None:
            return self._tabulated(node, names[0])
        match node:
            case Product(factors):
                return self._product(node, factors)
            case FloorDiv(left, right):
                return self._division(node, left, right, remainder=None)
            case Modulo(left, right):
                return self._division(None, left, right, remainder=node)
            case CeilDiv(left, right):
                return self._ceiling(node, left, right)
            case Minimum(items):
                result = self._auxiliary(node)
                self.model.add_min_equality(result, [self.integer(item) for item in items])
                return result
            case Maximum(items):
                result = self._auxiliary(node)
                self.model.add_max_equality(result, [self.integer(item) for item in items])
                return result
            case Select(index, cases):
                result = self._auxiliary(node)
                columns = [c.value if isinstance(c, Const) else self.variable(c) for c in cases]
                self.model.add_element(self.variable(index), columns, result)
                return result
        raise TypeError(f"cannot compile {type(node).__name__}")

    def _tabulated(self, node: Expression, name: str) -> cp_model.IntVar:
        values = self._ranges.grid(node).tolist()
        knob = Var(name)
        result = self._auxiliary(node)
        arguments = self._ranges.grid(knob).tolist()
        self.model.add_allowed_assignments(
            [self.integer(knob), result], list(zip(arguments, values, strict=True))
        )
        return result

    def _product(self, node: Expression, factors: tuple[Expression, ...]) -> cp_model.IntVar:
        first, second = self._split(factors)
        result = self._auxiliary(node)
        operands = [self._factor(part, other) for part, other in ((first, second), (second, first))]
        self.model.add_multiplication_equality(result, operands)
        return result

    def _split(self, factors: tuple[Expression, ...]) -> tuple[Expression, Expression]:
        """Two halves of a product: first what one cap covers, so that partial products stay small."""
        parts = cover(factors, self._caps)
        if len(parts) > 1:
            first, *rest = ([f for f in part if isinstance(f, Expression)] for part, _ in parts)
            return product(first), product([factor for part in rest for factor in part])
        return product(factors[:-1]), factors[-1]

    def _factor(self, part: Expression, other: Expression) -> Linear:
        mine, theirs = (max(map(abs, self._ranges.bounds(side))) for side in (part, other))
        if mine * theirs < _PRODUCT_LIMIT:
            return self.variable(part)
        # Only models without caps get here (explanations): CP-SAT refuses products that might overflow, and
        # values this large break some other constraint by far.
        variable = self.model.new_int_var(-_FACTOR_LIMIT, _FACTOR_LIMIT, "")
        self.model.add(variable == self.variable(part))
        return variable

    def _division(
        self, quotient: FloorDiv | None, left: Expression, right: Expression, remainder: Modulo | None
    ) -> Linear:
        """Post left == right * q + r with 0 <= r < right, and return q or r."""
        whole = quotient or FloorDiv(left, right)
        rest = remainder or Modulo(left, right)
        q, r = self._auxiliary(whole), self._auxiliary(rest)
        self._integers[whole], self._integers[rest] = q, r
        self._euclid(self.integer(left), right, whole, r)
        return q if quotient else r

    def _ceiling(self, node: CeilDiv, left: Expression, right: Expression) -> Linear:
        # -left == right * -q + r, so q is the quotient of the negated dividend, negated.
        q = self._auxiliary(node)
        self._integers[node] = q
        missing = self.model.new_int_var(0, max(self._ranges.bounds(right)[1] - 1, 0), "")
        self._euclid(self.integer(left), right, node, -missing)
        self.model.add(missing < self.integer(right))
        return q

    def _euclid(self, dividend: Linear, right: Expression, quotient: Expression, rest: Linear) -> None:
        multiple = self.integer(product((right, quotient)))
        self.model.add(dividend == multiple + rest)
        if not isinstance(quotient, CeilDiv):
            self.model.add(rest < self.integer(right))


def _enforce(constraint: cp_model.Constraint, when: Literal | None) -> None:
    if when is not None:
        constraint.only_enforce_if(when)
