"""Affine accesses: what a load or store of TIR reads, as an `Access` over named iterators.

A stage that only shifts its input and is zero outside (padding) becomes an offset of the input's index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from heron_cli.schedule.einsum import Access, Dim, merge_terms


class NotAnEinsum(ValueError):
    """The operator is not a sum of products of two affine loads; the message says why not."""


@dataclass(frozen=True)
class Affine:
    """Σ coefficient · iterator + offset."""

    terms: tuple[tuple[str, int], ...]
    offset: int


def kind_of(node: Any) -> str:
    """The class of a TIR node."""
    return type(node).__name__


def name_of(var: Any) -> str:
    """The iterator behind a block's variable."""
    return str(var.name).removeprefix("v_")


def strip_casts(expression: Any) -> Any:
    """What is cast."""
    while kind_of(expression) == "Cast":
        expression = expression.value
    return expression


def _linear(index: Any, variables: list[Any]) -> Affine:
    from tvm import sym

    found = sym.detect_linear_equation(index, variables)
    if len(found) == 0:
        raise NotAnEinsum(f"the index {index} is not affine")
    *coefficients, offset = (int(value) for value in found)
    names = [name_of(variable) for variable in variables]
    terms = tuple((n, c) for n, c in zip(names, coefficients, strict=True) if c)
    return Affine(terms, offset)


def access_of(buffer: Any, indices: Any, inline: Mapping[str, Any]) -> Access:
    """A load or store over the iterators of its indices; buffers in `inline` are read through their stage.

    Raises NotAnEinsum.
    """
    affine = [_linear(index, _index_variables(index)) for index in indices]
    shape = [int(extent) for extent in buffer.shape]
    name = str(buffer.name)
    if name in inline:
        return _inlined(inline[name], affine, inline)
    strides = [prod(shape[i + 1 :]) for i in range(len(shape))]
    dims = tuple(
        Dim(extent, stride, a.terms, a.offset)
        for extent, stride, a in zip(shape, strides, affine, strict=True)
    )
    return Access(name, str(buffer.dtype), dims)


def _index_variables(expression: Any) -> list[Any]:
    """Variables of an index, in order of occurrence."""
    if kind_of(expression) == "Var":
        return [expression]
    found: list[Any] = []
    for child in (getattr(expression, side, None) for side in ("a", "b", "value")):
        if child is not None and not isinstance(child, int):
            found += [v for v in _index_variables(child) if not any(v.same_as(o) for o in found)]
    return found


def _inlined(stage: Any, at: list[Affine], inline: Mapping[str, Any]) -> Access:
    """The access behind a stage `if inside: X[affine] else 0`, read at the affine indices `at`."""
    value = stage.body.value
    condition = None
    if kind_of(value) == "Call" and str(value.op.name).endswith("if_then_else"):
        condition, value, other = value.args
        if float(getattr(other, "value", 1)) != 0:
            raise NotAnEinsum(f"stage {stage.name_hint} is not zero outside its input")
    if kind_of(value) != "TensorLoad":
        raise NotAnEinsum(f"stage {stage.name_hint} computes; only shifting and padding can be inlined")
    where = {name_of(v.var): affine for v, affine in zip(stage.iter_vars, at, strict=True)}
    inner = access_of(value.source, value.indices, inline)
    bounds = {} if condition is None else _bounds(condition)
    for dim in inner.dims:
        for name, _ in dim.terms:
            _check_bounds(stage, dim, name, bounds)
    dims = tuple(substitute(dim, where) for dim in inner.dims)
    return Access(inner.name, inner.dtype, dims)


def substitute(dim: Dim, where: Mapping[str, Affine]) -> Dim:
    """The dimension with affine expressions in place of its iterators."""
    terms = [(n, c * k) for name, c in dim.terms for n, k in where[name].terms]
    offset = dim.offset + sum(c * where[name].offset for name, c in dim.terms)
    return Dim(dim.extent, dim.stride, merge_terms(terms), offset)


def _bounds(condition: Any) -> dict[str, tuple[int | None, int | None]]:
    """Half-open range of every variable that a conjunction of comparisons with constants allows."""
    if kind_of(condition) in ("And", "Call") and not hasattr(condition, "a"):
        raise NotAnEinsum(f"the condition {condition} is not a conjunction of bounds")
    if kind_of(condition) == "And":
        left, right = _bounds(condition.a), _bounds(condition.b)
        for name, (low, high) in right.items():
            old = left.get(name, (None, None))
            left[name] = (old[0] if low is None else low, old[1] if high is None else high)
        return left
    kind, a, b = kind_of(condition), condition.a, condition.b
    flipped = {"LE": "GE", "LT": "GT", "GE": "LE", "GT": "LT"}
    if kind not in flipped:
        raise NotAnEinsum(f"the condition {condition} is not a bound")
    if kind_of(b) == "Var":
        kind, a, b = flipped[kind], b, a
    if kind_of(a) != "Var" or not hasattr(b, "value"):
        raise NotAnEinsum(f"the condition {condition} is not a bound of one index")
    name, limit = name_of(a), int(b.value)
    if kind in ("GE", "GT"):
        return {name: (limit + (kind == "GT"), None)}
    return {name: (None, limit + (kind == "LE"))}


def _check_bounds(
    stage: Any, dim: Dim, name: str, bounds: Mapping[str, tuple[int | None, int | None]]
) -> None:
    """The guard must be exactly 'the coordinate lies in the data' (or absent where it always does)."""
    if dim.terms != ((name, 1),):
        raise NotAnEinsum(f"stage {stage.name_hint} does more than shift")
    extent = next(int(v.dom.extent) for v in stage.iter_vars if name_of(v.var) == name)
    low, high = bounds.get(name, (None, None))
    low_exact = low == -dim.offset or (low is None and dim.offset >= 0)
    high_exact = high == dim.extent - dim.offset or (high is None and extent + dim.offset <= dim.extent)
    if not (low_exact and high_exact):
        raise NotAnEinsum(f"stage {stage.name_hint} guards {name} by something else than the data's range")
