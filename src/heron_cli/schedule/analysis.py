"""Reads the einsum out of an operator's TE: no table per operator, only the loop nest.

The always-inline rule is applied here: a stage that only shifts its input and is zero outside
(padding) becomes an offset of the input's index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from heron_cli.schedule.einsum import Access, Axis, Dim, Einsum, Group, Part, merge_terms

_GROUP_OF: dict[tuple[bool, bool, bool], Group] = {
    (True, True, False): "m",
    (True, False, True): "n",
    (False, True, True): "k",
    (True, True, True): "batch",
}


class NotAnEinsum(ValueError):
    """The operator is not a sum of products of two affine loads; the message says why not."""


@dataclass(frozen=True)
class _Affine:
    terms: tuple[tuple[str, int], ...]
    offset: int


def analyse(name: str, tensors: list[Any], constant: frozenset[str]) -> Einsum:
    """The einsum of TE tensors (placeholders called input and weight, then the output).

    Raises NotAnEinsum with the reason if the loop nest has another form.
    """
    from tvm import te

    blocks = list(_blocks(te.create_prim_func(tensors).body))
    reductions = [block for block in blocks if block.init is not None]
    if len(reductions) != 1:
        raise NotAnEinsum(f"it has {len(reductions)} reductions; one is expected")
    block = reductions[0]
    inline = {str(b.body.buffer.name): b for b in blocks if b.init is None}
    extents = {_name(v.var): int(v.dom.extent) for v in block.iter_vars}
    store = block.body
    if _kind(store) != "BufferStore" or _kind(store.value) != "Add":
        raise NotAnEinsum("its update is not a sum")
    factors = _factors(store.value.b)
    output = _access(store.buffer, store.indices, extents, inline)
    loads = {}
    for load in factors:
        access = _access(load.source, load.indices, extents, inline)
        loads[access.name] = access
    if set(loads) != {"input", "weight"}:
        raise NotAnEinsum(f"its factors are {', '.join(sorted(loads))}; input and weight are expected")
    source, weight = loads["input"], loads["weight"]
    axes = tuple(_axis(n, e, output, source, weight) for n, e in extents.items())
    return Einsum(
        name,
        axes,
        _constant(source, constant),
        _constant(weight, constant),
        output,
        str(store.buffer.dtype),
        applied=tuple(f"inline {stage}" for stage in inline),
    )


def _axis(name: str, extent: int, output: Access, source: Access, weight: Access) -> Axis:
    member = (name in output.names(), name in source.names(), name in weight.names())
    if extent == 1 and member not in _GROUP_OF:
        member = (True, True, False)  # a loop of one iteration moves nothing; it is dropped later
    if member not in _GROUP_OF:
        raise NotAnEinsum(f"axis {name} moves (output, input, weight) = {member}, which no group has")
    return Axis(name, _GROUP_OF[member], (Part(name, extent),))


def _constant(access: Access, constant: frozenset[str]) -> Access:
    return Access(access.name, access.dtype, access.dims, access.name in constant)


def _kind(node: Any) -> str:
    return type(node).__name__


def _name(var: Any) -> str:
    return str(var.name).removeprefix("v_")


def _blocks(node: Any) -> Iterator[Any]:
    kind = _kind(node)
    if kind == "SBlockRealize":
        yield from _blocks(node.block)
    elif kind == "SBlock":
        if node.iter_vars:
            yield node
        else:
            yield from _blocks(node.body)
    elif kind == "SeqStmt":
        for child in node.seq:
            yield from _blocks(child)
    elif hasattr(node, "body"):
        yield from _blocks(node.body)


def _strip(expression: Any) -> Any:
    while _kind(expression) == "Cast":
        expression = expression.value
    return expression


def _factors(summand: Any) -> tuple[Any, Any]:
    product = _strip(summand)
    if _kind(product) != "Mul":
        raise NotAnEinsum("its summand is not a product of two loads")
    a, b = _strip(product.a), _strip(product.b)
    if _kind(a) != "TensorLoad" or _kind(b) != "TensorLoad":
        raise NotAnEinsum("its summand is not a product of two loads")
    return a, b


def _linear(index: Any, variables: list[Any]) -> _Affine:
    from tvm import sym

    found = sym.detect_linear_equation(index, variables)
    if len(found) == 0:
        raise NotAnEinsum(f"the index {index} is not affine")
    *coefficients, offset = (int(value) for value in found)
    names = [_name(variable) for variable in variables]
    terms = tuple((n, c) for n, c in zip(names, coefficients, strict=True) if c)
    return _Affine(terms, offset)


def _access(buffer: Any, indices: Any, extents: Mapping[str, int], inline: Mapping[str, Any]) -> Access:
    affine = [_linear(index, _index_variables(index)) for index in indices]
    shape = [int(extent) for extent in buffer.shape]
    name = str(buffer.name)
    if name in inline:
        return _inlined(inline[name], affine, extents, inline)
    strides = [prod(shape[i + 1 :]) for i in range(len(shape))]
    dims = tuple(
        Dim(extent, stride, a.terms, a.offset)
        for extent, stride, a in zip(shape, strides, affine, strict=True)
    )
    return Access(name, str(buffer.dtype), dims)


def _index_variables(expression: Any) -> list[Any]:
    """Variables of an index, in order of occurrence."""
    if _kind(expression) == "Var":
        return [expression]
    found: list[Any] = []
    for child in (getattr(expression, side, None) for side in ("a", "b", "value")):
        if child is not None and not isinstance(child, int):
            found += [v for v in _index_variables(child) if not any(v.same_as(o) for o in found)]
    return found


def _inlined(stage: Any, at: list[_Affine], extents: Mapping[str, int], inline: Mapping[str, Any]) -> Access:
    """The access behind a stage `if inside: X[affine] else 0`, read at the affine indices `at`."""
    value = stage.body.value
    condition = None
    if _kind(value) == "Call" and str(value.op.name).endswith("if_then_else"):
        condition, value, other = value.args
        if float(getattr(other, "value", 1)) != 0:
            raise NotAnEinsum(f"stage {stage.name_hint} is not zero outside its input")
    if _kind(value) != "TensorLoad":
        raise NotAnEinsum(f"stage {stage.name_hint} computes; only shifting and padding can be inlined")
    where = {_name(v.var): affine for v, affine in zip(stage.iter_vars, at, strict=True)}
    inner = _access(value.source, value.indices, extents, inline)
    bounds = {} if condition is None else _bounds(condition)
    for dim in inner.dims:
        for name, _ in dim.terms:
            _check_bounds(stage, dim, name, bounds)
    dims = tuple(_substitute(dim, where) for dim in inner.dims)
    return Access(inner.name, inner.dtype, dims)


def _substitute(dim: Dim, where: Mapping[str, _Affine]) -> Dim:
    terms = [(n, c * k) for name, c in dim.terms for n, k in where[name].terms]
    offset = dim.offset + sum(c * where[name].offset for name, c in dim.terms)
    return Dim(dim.extent, dim.stride, merge_terms(terms), offset)


def _bounds(condition: Any) -> dict[str, tuple[int | None, int | None]]:
    """Half-open range of every variable that a conjunction of comparisons with constants allows."""
    if _kind(condition) in ("And", "Call") and not hasattr(condition, "a"):
        raise NotAnEinsum(f"the condition {condition} is not a conjunction of bounds")
    if _kind(condition) == "And":
        left, right = _bounds(condition.a), _bounds(condition.b)
        for name, (low, high) in right.items():
            old = left.get(name, (None, None))
            left[name] = (old[0] if low is None else low, old[1] if high is None else high)
        return left
    kind, a, b = _kind(condition), condition.a, condition.b
    flipped = {"LE": "GE", "LT": "GT", "GE": "LE", "GT": "LT"}
    if kind not in flipped:
        raise NotAnEinsum(f"the condition {condition} is not a bound")
    if _kind(b) == "Var":
        kind, a, b = flipped[kind], b, a
    if _kind(a) != "Var" or not hasattr(b, "value"):
        raise NotAnEinsum(f"the condition {condition} is not a bound of one index")
    name, limit = _name(a), int(b.value)
    if kind in ("GE", "GT"):
        return {name: (limit + (kind == "GT"), None)}
    return {name: (None, limit + (kind == "LE"))}


def _check_bounds(
    stage: Any, dim: Dim, name: str, bounds: Mapping[str, tuple[int | None, int | None]]
) -> None:
    """The guard must be exactly 'the coordinate lies in the data' (or absent where it always does)."""
    if dim.terms != ((name, 1),):
        raise NotAnEinsum(f"stage {stage.name_hint} does more than shift")
    extent = next(int(v.dom.extent) for v in stage.iter_vars if _name(v.var) == name)
    low, high = bounds.get(name, (None, None))
    low_exact = low == -dim.offset or (low is None and dim.offset >= 0)
    high_exact = high == dim.extent - dim.offset or (high is None and extent + dim.offset <= dim.extent)
    if not (low_exact and high_exact):
        raise NotAnEinsum(f"stage {stage.name_hint} guards {name} by something else than the data's range")
