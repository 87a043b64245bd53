"""Walks over expression trees: which names they use, substitution, and the checks of a space's trees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

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
    Node,
    Not,
    Product,
    Select,
    Sum,
    Var,
    ceil_div,
    compare,
    const,
    product,
    total,
)
from heron_cli.space.functions import all_of, any_of, maximum, minimum, negate, select
from heron_cli.space.interval import LIMIT, Box, Cap, IntervalAnalysis
from heron_cli.space.prose import to_prose


def walk(roots: Iterable[Node]) -> Iterator[Node]:
    """Every distinct node below and including the roots, children before parents."""
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(root, False) for root in reversed(tuple(roots))]
    while stack:
        node, expanded = stack.pop()
        if node in seen:
            continue
        if expanded:
            seen.add(node)
            yield node
        else:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node.children()))


def support(node: Node) -> frozenset[str]:
    """The names that a tree uses."""
    known: frozenset[str] | None = node.__dict__.get("_support")
    if known is None:
        found = [support(child) for child in node.children()]
        known = frozenset((node.name,)) if isinstance(node, Var) else frozenset().union(*found)
        object.__setattr__(node, "_support", known)
    return known


class Resolver:
    """Replaces derived variables by their definitions, which may use one another in order of definition."""

    def __init__(self, definitions: Mapping[str, Expression]):
        self._definitions = definitions
        self._known: dict[Node, Node] = {}

    def resolve(self, node: Node) -> Node:
        """The tree with every derived variable replaced, folded and flattened anew."""
        for part in walk([node]):
            if part not in self._known:
                self._known[part] = self._rebuild(part)
        return self._known[node]

    def _rebuild(self, node: Node) -> Node:
        if isinstance(node, Var):
            definition = self._definitions.get(node.name)
            return node if definition is None else self.resolve(definition)
        new = [self._known[child] for child in node.children()]
        return node if not new else rebuild(node, new)


def rebuild(node: Node, children: list[Any]) -> Expression | Boolean:
    """A node of the same kind over other children."""
    match node:
        case Sum():
            return total(children)
        case Product():
            return product(children)
        case FloorDiv():
            return const(children[0]) // const(children[1])
        case CeilDiv():
            return ceil_div(children[0], children[1])
        case Modulo():
            return const(children[0]) % const(children[1])
        case Minimum():
            return minimum(*children)
        case Maximum():
            return maximum(*children)
        case Select():
            return select(children[0], children[1:])
        case Compare(op):
            return compare(op, children[0], children[1])
        case All():
            return all_of(*children)
        case Any_():
            return any_of(*children)
        case Not():
            return negate(children[0])
    raise TypeError(f"{type(node).__name__} has no children")


def check_tree(trees: Iterable[tuple[str, Node]], box: Box, caps: Iterable[Cap]) -> None:
    """Refuse trees that may divide by less than 1, select outside their cases or exceed LIMIT in the box."""
    analysis = IntervalAnalysis(box, caps)
    # Divisors and indices must be sound on invalid rows too, where the caps do not hold.
    plain = IntervalAnalysis(box)
    for what, tree in trees:
        for node in walk([tree]):
            low, high = analysis.of(node)
            problem = ""
            match node:
                case FloorDiv(_, right) | CeilDiv(_, right) | Modulo(_, right):
                    if np.min(plain.of(right)[0]) < 1:
                        problem = f"divides by {to_prose(right)}, which may be less than 1"
                case Select(index, cases):
                    least, greatest = plain.of(index)
                    if np.min(least) < 0 or np.max(greatest) > len(cases) - 1:
                        problem = f"selects case {to_prose(index)} of {len(cases)}, which may not exist"
                case Const() | Var():
                    pass
            if not problem and max(abs(float(np.min(low))), abs(float(np.max(high)))) > LIMIT:
                problem = f"computes {to_prose(node)}, which may exceed {LIMIT:,}"
            if problem:
                raise ValueError(f"{what} {problem}")
