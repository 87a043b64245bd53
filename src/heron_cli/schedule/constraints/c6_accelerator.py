"""C6, accelerator-specific: the rules of the YAML, with their names resolved to this template's variables."""

from __future__ import annotations

from heron_cli.accelerator import nodes
from heron_cli.accelerator.expression import to_prose
from heron_cli.accelerator.nodes import Name, Node
from heron_cli.accelerator.words import COPIED, COPIES, LEVEL_NUMBERS, NARROW
from heron_cli.errors import InputError
from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.copies import copies
from heron_cli.space import (
    Boolean,
    Expression,
    Var,
    all_of,
    any_of,
    compare,
    const,
    implies,
    maximum,
    minimum,
    negate,
    product,
)


class AcceleratorRules(ConstraintRule):
    """Posts `when → require` for every rule of the YAML."""

    name = "C6"

    def post(self, poster: Poster) -> None:
        """Post every rule. Raises InputError for a name that means nothing here."""
        resolver = _Resolver(poster)
        for rule in poster.template.accelerator.rules:
            condition = resolver.boolean(rule.require)
            if rule.when is not None:
                condition = implies(resolver.boolean(rule.when), condition)
            why = rule.why or to_prose(rule.require)
            poster.space.require(f"{self.name} {rule.name}", condition, rule.origin, why)


class _Resolver:
    """Rule trees → space trees."""

    def __init__(self, poster: Poster) -> None:
        self.poster = poster
        tensorize = poster.template.tensorize
        self.constants = {
            **poster.template.accelerator.constants,
            "intrinsic.batch": 1,
            **{f"intrinsic.{dim}": extent for dim, extent in tensorize.shape.items()},
            "intrinsic.lanes": tensorize.intrinsic.lanes,
        }

    def boolean(self, node: Node) -> Boolean:
        """A condition."""
        match node:
            case nodes.Compare():
                return all_of(*(compare(op, self.integer(a), self.integer(b)) for a, op, b in node.pairs))
            case nodes.Contains():
                item = self.integer(node.item)
                return any_of(*(compare("==", item, self.integer(choice)) for choice in node.choices))
            case nodes.Boolean():
                items = [self.boolean(item) for item in node.items]
                return all_of(*items) if node.op == "and" else any_of(*items)
            case nodes.Not():
                return negate(self.boolean(node.item))
            case _:
                raise InputError(f"{node.origin}: {to_prose(node)} is a number; a condition is due here")

    def integer(self, node: Node) -> Expression:
        """An integer."""
        match node:
            case nodes.Number():
                return const(node.value)
            case nodes.Name():
                return self.name(node)
            case nodes.Call():
                items = [self.integer(item) for item in node.arguments]
                return minimum(*items) if node.function == "min" else maximum(*items)
            case nodes.Binary():
                return self.binary(node)
            case _:
                raise InputError(f"{node.origin}: {to_prose(node)} is a condition; a number is due here")

    def binary(self, node: nodes.Binary) -> Expression:
        """Arithmetic."""
        left, right = self.integer(node.left), self.integer(node.right)
        match node.op:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "//":
                return left // right
            case _:
                return left % right

    def length(self, stage: str, wanted: str) -> Expression:
        """The length of a stage's dimension, by position or by the name of a loop that moves it.

        0 where there is no such stage or dimension: nothing of it is copied.
        """
        template = self.poster.template
        place, dims = template.place, template.einsum.input.dims
        if place is None or place.stage != stage:
            return const(0)
        for i, (dim, label) in enumerate(zip(dims, place.length_names(dims), strict=True)):
            axes = [template.einsum.axis(name) for name, _ in dim.terms]
            if wanted in {str(i), *(n for axis in axes for n in (axis.name, *(p.name for p in axis.parts)))}:
                return Var(label)
        return const(0)

    def name(self, node: Name) -> Expression:
        """`LEVEL.group`, `tile(LEVEL).group`, `STAGE.length(axis)`, or a number of the YAML."""
        text = ".".join(node.path)
        if text in self.constants:
            return const(self.constants[text])
        template, poster = self.poster.template, self.poster
        head, tail = node.path[0], node.path[-1]
        levels = {level.name: level for level in template.accelerator.levels}
        if head == "tile" and node.argument in levels:
            names = [a.name for a in template.einsum.axes if tail in template.words(a.name)]
            return product([const(1), *(poster.tile(name, poster.below(node.argument)) for name in names)])
        if head in levels and tail in LEVEL_NUMBERS:
            return poster.pipelined(head) if tail == "depth" else poster.resident
        if head in levels:
            names = [a.name for a in template.einsum.axes if tail in template.words(a.name)]
            return product([const(1), *(poster.factor(head, name) for name in names)])
        if tail == COPIES and head in COPIED:
            return copies(poster, head)
        if tail == NARROW and head in COPIED:
            return copies(poster, head, narrow=True)
        if tail == "length" and head in template.accelerator.stages:
            return self.length(head, str(node.argument))
        raise InputError(f"{node.origin}: {node} means nothing for this operator")
