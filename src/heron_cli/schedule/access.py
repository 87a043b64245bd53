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
    from heron_cli.schedule.guard import check

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
    extents = {name_of(v.var): int(v.dom.extent) for v in stage.iter_vars}
    check(str(stage.name_hint), condition, inner.dims, extents)
    dims = tuple(substitute(dim, where) for dim in inner.dims)
    return Access(inner.name, inner.dtype, dims)


def substitute(dim: Dim, where: Mapping[str, Affine]) -> Dim:
    """The dimension with affine expressions in place of its iterators."""
    terms = [(n, c * k) for name, c in dim.terms for n, k in where[name].terms]
    offset = dim.offset + sum(c * where[name].offset for name, c in dim.terms)
    return Dim(dim.extent, dim.stride, merge_terms(terms), offset)
