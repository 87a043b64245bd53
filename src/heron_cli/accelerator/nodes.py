"""The syntax tree of a rule: frozen, hashable, and without a meaning of its own (schedule/ gives it one)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from heron_cli.errors import Origin

NOWHERE = Origin("<expression>", 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    # Where the node begins in the user's file; no part of its identity, so that equal rules compare equal.
    origin: Origin = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Number(_Placed):
    """An integer."""

    value: int


@dataclass(frozen=True, slots=True)
class Name(_Placed):
    """A name: `register.m`, `memories.l2.bytes`, and with an argument `tile(cache).m`, `pad.length(height)`.

    `path` is the dotted name without the argument: ("tile", "m") and ("pad", "length").
    """

    path: tuple[str, ...]
    argument: str | None = None

    def __str__(self) -> str:
        if self.argument is None:
            return ".".join(self.path)
        if self.path[0] == "tile":
            return f"tile({self.argument}).{self.path[1]}"
        return f"{'.'.join(self.path)}({self.argument})"


@dataclass(frozen=True, slots=True)
class Binary(_Placed):
    """`left op right`, op one of + - * // %; as in Python, the quotient rounds down."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Call(_Placed):
    """`min(…)` or `max(…)` of at least two integers."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Compare(_Placed):
    """`operands[0] ops[0] operands[1] ops[1] …`: true when every neighbouring pair compares true."""

    operands: tuple[Node, ...]
    ops: tuple[str, ...]

    @property
    def pairs(self) -> tuple[tuple[Node, str, Node], ...]:
        """The comparison as its neighbouring pairs (left, op, right)."""
        return tuple(zip(self.operands, self.ops, self.operands[1:], strict=False))


@dataclass(frozen=True, slots=True)
class Contains(_Placed):
    """`item in (choice, …)`: true when the item equals one of the choices."""

    item: Node
    choices: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Boolean(_Placed):
    """`and` or `or` of at least two conditions."""

    op: str
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not(_Placed):
    """The opposite of a condition."""

    item: Node


Node: TypeAlias = Number | Name | Binary | Call | Compare | Contains | Boolean | Not


def is_boolean(node: Node) -> bool:
    """Whether the node is a condition (else it is an integer); decided by its outermost operation."""
    return isinstance(node, Compare | Contains | Boolean | Not)


def children(node: Node) -> tuple[Node, ...]:
    """The operands of a node, left to right."""
    match node:
        case Binary():
            return (node.left, node.right)
        case Call():
            return node.arguments
        case Compare():
            return node.operands
        case Contains():
            return (node.item, *node.choices)
        case Boolean():
            return node.items
        case Not():
            return (node.item,)
        case _:
            return ()


def names(node: Node) -> Iterator[Name]:
    """Every name in the expression, left to right, repeated as often as it is written."""
    if isinstance(node, Name):
        yield node
    for child in children(node):
        yield from names(child)
