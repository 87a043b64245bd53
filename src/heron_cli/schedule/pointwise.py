"""Reads the epilogue: the chain of stages from the sum to the output, by their structure alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from heron_cli.schedule.access import (
    Affine,
    NotAnEinsum,
    access_of,
    kind_of,
    name_of,
    strip_casts,
    substitute,
)
from heron_cli.schedule.einsum import Access, PointOp, merge_terms
from heron_cli.schedule.enumerate import evaluate, variables
from heron_cli.schedule.permute import inverse


def chain(reduction: Any, blocks: Sequence[Any]) -> list[Any]:
    """The blocks that read the sum, or what became of it, in order. Raises NotAnEinsum if another is last."""
    found, current = [], reduction.body.buffer
    for block in blocks:
        if block.same_as(reduction):
            continue
        if any(load.source.same_as(current) for load in _loads(block.body.value)):
            found.append(block)
            current = block.body.buffer
    if not blocks[-1].body.buffer.same_as(current):
        raise NotAnEinsum(f"stage {blocks[-1].name_hint} is last, but not made of the sum")
    return found


def follow(
    reduction: Any, stages: Sequence[Any], sums: Access, inline: Mapping[str, Any]
) -> tuple[tuple[PointOp, ...], Access]:
    """The steps that the stages of `chain` take, and the output over the iterators of the sum.

    Raises NotAnEinsum for a stage that is not point-wise or computes something else.
    """
    ops: list[PointOp] = []
    produced = [reduction.body.buffer, *(stage.body.buffer for stage in stages)]
    output = sums
    for number, block in enumerate(stages):
        stage = _Stage(block, tuple(produced[: number + 1]), output, inline)
        ops += stage.steps(block.body.value)
        output = stage.moved(access_of(block.body.buffer, block.body.indices, inline))
    if any(op.kind == "cast" for op in ops[:-1]):
        raise NotAnEinsum(f"its epilogue computes on after a cast ({', '.join(map(str, ops))})")
    if output.dtype != str(produced[0].dtype) and not (ops and ops[-1].kind == "cast"):
        raise NotAnEinsum(f"its epilogue changes to {output.dtype} without a cast")
    return tuple(_joined(ops)), output


@dataclass(frozen=True)
class _Stage:
    """A block after the sum. `produced` are the sum's buffer and those made of it; the block reads the last,
    whose elements are at `before`, an access over the sum's iterators.
    """

    block: Any
    produced: tuple[Any, ...]
    before: Access
    inline: Mapping[str, Any]

    def steps(self, expression: Any) -> list[PointOp]:
        """The operations on the way from the previous stage's element to `expression`, in order."""
        kind = kind_of(expression)
        if kind == "TensorLoad":
            self._where(expression)
            return []
        if kind == "Cast":
            return [*self.steps(expression.value), PointOp("cast")]
        if kind not in ("Add", "RShift", "Max", "Min"):
            raise self._refusal(f"is a {kind}; known are add, right shift, min and max, and cast")
        mine, other = self._sides(expression)
        if kind == "Add":
            return [*self.steps(mine), PointOp("add", self._operand(other))]
        if kind == "RShift":
            if not mine.same_as(expression.a):
                raise self._refusal("shifts by the sum")
            return [*self.steps(mine), PointOp("shift", values=(self._number(other),))]
        number = self._number(other)
        return [
            *self.steps(mine),
            PointOp("clip", values=(number, None) if kind == "Max" else (None, number)),
        ]

    def moved(self, access: Access) -> Access:
        """An access of this block over the sum's iterators."""
        where = self._where(next(load for load in _loads(self.block.body.value) if self._is_previous(load)))
        return replace(access, dims=tuple(substitute(dim, where) for dim in access.dims))

    def _sides(self, expression: Any) -> tuple[Any, Any]:
        """What the sum flows through, and the other side."""
        flows = [any(map(self._is_mine, _loads(side))) for side in (expression.a, expression.b)]
        if all(flows):
            raise self._refusal("reads the sum twice")
        if not any(flows):
            raise self._refusal("does not read the sum everywhere")
        a, b = expression.a, expression.b
        return (a, b) if flows[0] else (b, a)

    def _operand(self, expression: Any) -> Access:
        load = strip_casts(expression)
        if kind_of(load) != "TensorLoad":
            raise self._refusal("adds something else than an operand")
        return self.moved(access_of(load.source, load.indices, self.inline))

    def _number(self, expression: Any) -> int:
        value = getattr(expression, "value", None)
        if kind_of(expression) not in ("IntImm", "FloatImm") or value is None or value != int(value):
            raise self._refusal(f"has {expression} where a whole number is due")
        return int(value)

    def _where(self, load: Any) -> dict[str, Affine]:
        """The block's iterators over those of the sum: each is affine in the dimensions that it visits."""
        if not self._is_previous(load):
            raise self._refusal(f"reads {load.source.name} instead of what the sum became")
        extents = {name_of(v.var): int(v.dom.extent) for v in self.block.iter_vars}
        places: dict[str, list[int]] = {name: [] for name in extents}
        for place, index in enumerate(load.indices):
            names = set(variables(index))
            if len(names) != 1 or not names <= set(extents):
                raise self._refusal("does not read the sum element by element")
            places[names.pop()].append(place)
        return {name: self._moved_to(load, extents[name], found) for name, found in places.items()}

    def _moved_to(self, load: Any, extent: int, places: Sequence[int]) -> Affine:
        """The coordinate of an iterator that visits the sum's dimensions at some places."""
        names = {name for place in places for name in variables(load.indices[place])}
        at = dict.fromkeys(names, np.arange(extent))
        try:
            reads = [evaluate(load.indices[place], at) for place in places]
        except NotAnEinsum as error:
            raise self._refusal(f"reorders the sum: {error}") from error
        found = inverse(reads, [int(load.source.shape[place]) for place in places]) if places else None
        if found is None:
            raise self._refusal("does not visit every element of the sum once, in an affine order")
        coefficients, offset = found
        dims = [self.before.dims[place] for place in places]
        terms = [(n, c * k) for dim, c in zip(dims, coefficients, strict=True) for n, k in dim.terms]
        total = offset + sum(c * dim.offset for dim, c in zip(dims, coefficients, strict=True))
        return Affine(merge_terms(terms), total)

    def _is_previous(self, load: Any) -> bool:
        return bool(load.source.same_as(self.produced[-1]))

    def _is_mine(self, load: Any) -> bool:
        return any(load.source.same_as(buffer) for buffer in self.produced)

    def _refusal(self, why: str) -> NotAnEinsum:
        return NotAnEinsum(f"stage {self.block.name_hint} after the sum {why}")


def _loads(expression: Any) -> Iterator[Any]:
    if kind_of(expression) == "TensorLoad":
        yield expression
    for name in ("a", "b", "value", "condition", "true_value", "false_value"):
        child = getattr(expression, name, None)
        if child is not None and not isinstance(child, int | float):
            yield from _loads(child)
    for child in getattr(expression, "args", None) or ():
        yield from _loads(child)


def _joined(ops: Sequence[PointOp]) -> list[PointOp]:
    """A lower and an upper bound in a row are one clip."""
    found: list[PointOp] = []
    for op in ops:
        if found and found[-1].kind == op.kind == "clip":
            pairs = list(zip(found[-1].values, op.values, strict=True))
            low, high = (first if second is None else second for first, second in pairs)
            apart = all(None in pair for pair in pairs)
            if apart and low is not None and high is not None and low <= high:
                found[-1] = PointOp("clip", values=(low, high))
                continue
        found.append(op)
    return found
