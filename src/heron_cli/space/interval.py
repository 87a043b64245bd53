"""Interval arithmetic on expression trees, for one box of values or for a column of boxes at once.

A box gives every knob a least and a greatest value, each a float or an array of floats; all arrays of one
analysis have the same length. Every whole number up to 2**53 is exact in a float, and no value that matters
is larger than LIMIT: spaces whose values could be are refused when they are built. Booleans are intervals
within [0, 1]: a greatest value of 0 proves the condition false everywhere in the box, a least value of 1
proves it true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from heron_cli.space.expression import (
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

LIMIT = 1 << 52
"""No expression of a space may exceed this in magnitude on a valid assignment."""

Bound = float | npt.NDArray[np.float64]
Box = Mapping[str, tuple[Bound, Bound]]
Range = tuple[Bound, Bound]


@dataclass(frozen=True, slots=True)
class Cap:
    """A constraint implies that the product of these knobs, all at least 1, is at most `bound`."""

    names: frozenset[str]
    bound: float


class IntervalAnalysis:
    """Ranges of resolved trees (no derived variables) over a box, each computed once."""

    def __init__(self, box: Box, caps: Iterable[Cap] = ()):
        self._box = box
        self._caps = tuple(caps)
        self._known: dict[Node, Range] = {}

    def of(self, node: Node) -> Range:
        """The least and the greatest value of `node` over the box; never too narrow."""
        known = self._known.get(node)
        if known is None:
            known = self._known[node] = self._compute(node)
        return known

    def _compute(self, node: Node) -> Range:
        match node:
            case Const(value):
                return float(value), float(value)
            case Var(name):
                return self._box[name]
            case Sum(terms):
                ranges = [self.of(term) for term in terms]
                return sum(low for low, _ in ranges), sum(high for _, high in ranges)
            case Product(factors):
                return self._product(factors)
            case FloorDiv(left, right):
                return _quotient(self.of(left), self.of(right), np.floor)
            case CeilDiv(left, right):
                return _quotient(self.of(left), self.of(right), np.ceil)
            case Modulo(left, right):
                return _modulo(self.of(left), self.of(right))
            case Minimum(items) | All(items) if items:
                return self._extreme(np.minimum, items)
            case Maximum(items) | Any_(items) if items:
                return self._extreme(np.maximum, items)
            case All():
                return 1.0, 1.0
            case Any_():
                return 0.0, 0.0
            case Select(index, cases):
                return self._select(self.of(index), [self.of(case) for case in cases])
            case Not(item):
                low, high = self.of(item)
                return 1.0 - high, 1.0 - low
            case Compare(op, left, right):
                return self._compare(op, left, right)
        raise TypeError(f"no interval for {type(node).__name__}")

    def _extreme(self, pick: Callable[[Bound, Bound], Bound], items: tuple[Node, ...]) -> Range:
        low, high = self.of(items[0])
        for item in items[1:]:
            other_low, other_high = self.of(item)
            low, high = pick(low, other_low), pick(high, other_high)
        return low, high

    def _product(self, factors: tuple[Node, ...]) -> Range:
        low: Bound = 1.0
        high: Bound = 1.0
        for factor in factors:
            low, high = _multiply((low, high), self.of(factor))
        if self._caps and (low if isinstance(low, float) else np.min(low)) >= 0:
            high = np.minimum(high, self._capped(factors))
        return low, high

    def _capped(self, factors: tuple[Node, ...]) -> Bound:
        """An upper bound that uses the caps, each factor counted once; the factors are not negative."""
        bound: Bound = 1.0
        for part, cap in cover(factors, self._caps):
            own: Bound = 1.0
            for factor in part:
                own = own * self.of(factor)[1]
            bound = bound * (own if cap is None else np.minimum(own, cap.bound))
        return bound

    def _select(self, index: Range, cases: list[Range]) -> Range:
        low: Bound = np.inf
        high: Bound = -np.inf
        for k, (case_low, case_high) in enumerate(cases):
            reachable = (np.less_equal(index[0], k)) & (np.greater_equal(index[1], k))
            low = np.where(reachable, np.minimum(low, case_low), low)
            high = np.where(reachable, np.maximum(high, case_high), high)
        return low, high

    def _compare(self, op: str, left: Node, right: Node) -> Range:
        a, b = self.of(left), self.of(right)
        match op:
            case "<=":
                return _truth(np.less_equal(a[1], b[0]), np.less_equal(a[0], b[1]))
            case "<":
                return _truth(np.less(a[1], b[0]), np.less(a[0], b[1]))
            case ">=":
                return _truth(np.less_equal(b[1], a[0]), np.less_equal(b[0], a[1]))
            case ">":
                return _truth(np.less(b[1], a[0]), np.less(b[0], a[1]))
        surely = np.equal(a[0], a[1]) & np.equal(b[0], b[1]) & np.equal(a[0], b[0])
        maybe = np.less_equal(a[0], b[1]) & np.less_equal(b[0], a[1])
        maybe = maybe & self._divisible(left, b) & self._divisible(right, a)
        if op == "==":
            return _truth(surely, maybe)
        return _truth(~maybe, ~surely)

    def _divisible(self, node: Node, other: Range) -> npt.NDArray[np.bool_] | np.bool_:
        """False where `node`, a product, cannot equal `other`: its known factors do not divide it."""
        if not isinstance(node, Product):
            return np.bool_(True)
        known: Bound = 1.0
        for factor in node.factors:
            low, high = self.of(factor)
            known = known * np.where(np.equal(low, high) & np.not_equal(low, 0), np.abs(low), 1.0)
        exact = np.equal(other[0], other[1]) & (np.abs(other[0]) < LIMIT) & (np.asarray(known) < LIMIT)
        remainder = np.mod(np.where(exact, other[0], 0.0), np.where(exact, known, 1.0))
        result: npt.NDArray[np.bool_] = np.equal(remainder, 0.0)
        return result


def cover(factors: Sequence[Node], caps: Sequence[Cap]) -> list[tuple[tuple[Node, ...], Cap | None]]:
    """Partition factors into parts that one cap bounds each, and a last part that none does.

    Greedy: the cap that covers most factors first, the tighter one if two cover as many. A factor that occurs
    twice falls into two parts.
    """
    left = list(factors)
    parts: list[tuple[tuple[Node, ...], Cap | None]] = []
    while left:
        names = {factor.name for factor in left if isinstance(factor, Var)}
        useful = [cap for cap in caps if names & cap.names]
        chosen = min(useful, key=partial(_rank, names), default=None)
        if chosen is None:
            parts.append((tuple(left), None))
            break
        covered = {f.name: k for k, f in enumerate(left) if isinstance(f, Var) and f.name in chosen.names}
        parts.append((tuple(left[k] for k in sorted(covered.values())), chosen))
        left = [f for k, f in enumerate(left) if k not in covered.values()]
    return parts


def _rank(names: set[str], cap: Cap) -> tuple[int, float]:
    return -len(names & cap.names), cap.bound


def find_caps(conditions: Iterable[Node], box: Box) -> list[Cap]:
    """The caps that follow from conditions `product == other` or `product <= other` over the box."""
    analysis = IntervalAnalysis(box)
    caps: list[Cap] = []
    for condition in conditions:
        match condition:
            case Compare("==" | "<=" | "<", left, right):
                caps.extend(_caps_of(left, right, analysis))
        match condition:
            case Compare("==" | ">=" | ">", left, right):
                caps.extend(_caps_of(right, left, analysis))
    return caps


def _caps_of(smaller: Node, greater: Node, analysis: IntervalAnalysis) -> list[Cap]:
    factors = smaller.factors if isinstance(smaller, Product) else (smaller,)
    scale = 1.0
    names: list[str] = []
    for factor in factors:
        if isinstance(factor, Const) and factor.value > 0:
            scale = float(factor.value)
        elif isinstance(factor, Var) and np.min(analysis.of(factor)[0]) >= 1:
            names.append(factor.name)
        else:
            return []
    bound = float(np.max(analysis.of(greater)[1])) // scale
    if not names or len(set(names)) < len(names) or not 1 <= bound < LIMIT:
        return []
    caps = [Cap(frozenset(names), bound)]
    match greater:
        # p * q == ceil(E / r) also bounds p * q * r, by E + r - 1.
        case CeilDiv(left, Var(divisor)) if divisor not in names and scale == 1:
            whole = float(np.max(analysis.of(left)[1]) + np.max(analysis.of(Var(divisor))[1]) - 1)
            if whole < LIMIT:
                caps.append(Cap(frozenset((*names, divisor)), whole))
    return caps


def _truth(surely: npt.ArrayLike, maybe: npt.ArrayLike) -> Range:
    return np.asarray(surely, np.float64), np.asarray(maybe, np.float64)


def _multiply(a: Range, b: Range) -> Range:
    if isinstance(a[0], float) and isinstance(b[0], float) and a[0] >= 0 and b[0] >= 0:
        return a[0] * b[0], a[1] * b[1]  # most factors are single numbers and not negative
    corners = (a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1])
    low = np.minimum(np.minimum(corners[0], corners[1]), np.minimum(corners[2], corners[3]))
    high = np.maximum(np.maximum(corners[0], corners[1]), np.maximum(corners[2], corners[3]))
    return low, high


def _quotient(a: Range, b: Range, rounding: Callable[[Bound], Bound]) -> Range:
    # Divisors are at least 1 on every assignment; a wider box is cut there.
    least, greatest = np.maximum(b[0], 1.0), np.maximum(b[1], 1.0)
    low = np.minimum(np.divide(a[0], least), np.divide(a[0], greatest))
    high = np.maximum(np.divide(a[1], least), np.divide(a[1], greatest))
    return rounding(low), rounding(high)


def _modulo(a: Range, b: Range) -> Range:
    greatest = np.maximum(b[1], 1.0)
    exact = np.equal(a[0], a[1]) & np.equal(b[0], b[1])
    value = np.mod(np.where(exact, a[0], 0.0), np.where(exact, greatest, 1.0))
    ceiling = np.where(np.greater_equal(a[0], 0), np.minimum(a[1], greatest - 1), greatest - 1)
    unchanged = np.greater_equal(a[0], 0) & np.less(a[1], np.maximum(b[0], 1.0))
    low = np.where(exact, value, np.where(unchanged, a[0], 0.0))
    return low, np.where(exact, value, ceiling)
