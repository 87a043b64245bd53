"""Reads the einsum out of an operator's TE: no table per operator, only the loop nest.

The always-inline rule is applied here: a stage that only shifts its input and is zero outside
(padding) becomes an offset of the input's index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from heron_cli.schedule.access import NotAnEinsum, access_of, kind_of, name_of, strip_casts
from heron_cli.schedule.einsum import Access, Axis, Einsum, Group, Part
from heron_cli.schedule.pointwise import chain, follow

__all__ = ["NotAnEinsum", "analyse"]

_GROUP_OF: dict[tuple[bool, bool, bool], Group] = {
    (True, True, False): "m",
    (True, False, True): "n",
    (False, True, True): "k",
    (True, True, True): "batch",
}


def analyse(name: str, tensors: list[Any], constant: frozenset[str]) -> Einsum:
    """The einsum of TE tensors (placeholders called input and weight and those of the epilogue, the output).

    Raises NotAnEinsum with the reason if the loop nest has another form.
    """
    from tvm import te

    blocks = list(_blocks(te.create_prim_func(tensors).body))
    reductions = [block for block in blocks if block.init is not None]
    if len(reductions) != 1:
        raise NotAnEinsum(f"it has {len(reductions)} reductions; one is expected")
    block = reductions[0]
    stages = chain(block, blocks)
    inline = {
        str(b.body.buffer.name): b for b in blocks if not any(b.same_as(known) for known in (block, *stages))
    }
    extents = {name_of(v.var): int(v.dom.extent) for v in block.iter_vars}
    store = block.body
    if kind_of(store) != "BufferStore" or kind_of(store.value) != "Add":
        raise NotAnEinsum("its update is not a sum")
    factors = _factors(store.value.b)
    output = access_of(store.buffer, store.indices, inline)
    loads = {}
    for load in factors:
        access = access_of(load.source, load.indices, inline)
        loads[access.name] = access
    if set(loads) != {"input", "weight"}:
        raise NotAnEinsum(f"its factors are {', '.join(sorted(loads))}; input and weight are expected")
    source, weight = loads["input"], loads["weight"]
    axes = tuple(_axis(n, e, output, source, weight) for n, e in extents.items())
    epilogue, output = follow(block, stages, output, inline)
    return Einsum(
        name,
        axes,
        _constant(source, constant),
        _constant(weight, constant),
        output,
        str(store.buffer.dtype),
        tuple(replace(op, operand=op.operand and _constant(op.operand, constant)) for op in epilogue),
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
    return replace(access, constant=access.name in constant)


def _blocks(node: Any) -> Iterator[Any]:
    kind = kind_of(node)
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


def _factors(summand: Any) -> tuple[Any, Any]:
    product = strip_casts(summand)
    if kind_of(product) != "Mul":
        raise NotAnEinsum("its summand is not a product of two loads")
    a, b = strip_casts(product.a), strip_casts(product.b)
    if kind_of(a) != "TensorLoad" or kind_of(b) != "TensorLoad":
        raise NotAnEinsum("its summand is not a product of two loads")
    return a, b
