"""What no program of a workload leaves out: products of real elements, and the bytes of its operands.

Both are counted exactly: iterators that meet in a coordinate are tried in all combinations, and what is
independent multiplies. A product counts unless a factor or its sum lies in padding, an element of an operand
where some product needs it, once. Zeros among the data, as in the triangle of a scan, are data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from heron_cli.elements import BYTES
from heron_cli.schedule.einsum import Dim, Einsum
from heron_cli.schedule.enumerate import components, coordinates, grid

_MOST = 1 << 22  # combinations that are tried


@dataclass(frozen=True, slots=True)
class Work:
    """Products, and bytes that every call reads or writes at least once."""

    products: int
    bytes: int


def work(einsum: Einsum) -> Work | None:
    """The work of an einsum as it was analysed, before any rewrite; None where it is too large to count."""
    products = _count(einsum)
    moved = [prod(access.shape()) * BYTES[access.dtype] for access in (einsum.output, *einsum.finishing)]
    for access in (einsum.input, einsum.weight):
        elements = _count(einsum, access.dims)
        if elements is None:
            return None
        moved.append(elements * BYTES[access.dtype])
    return None if products is None else Work(products, sum(moved))


def _count(einsum: Einsum, dims: Sequence[Dim] | None = None) -> int | None:
    """How many products are real; with `dims`, how many different coordinates along them these have."""
    extents, count = einsum.extents, 1
    factors = (einsum.input, einsum.weight, einsum.output)
    edges = [dim for access in factors for dim in access.dims if dim.leaves(extents)]
    meeting = [frozenset(name for name, _ in dim.terms) for dim in (*edges, *(dims or ()))]
    for together in components([*meeting, *(frozenset({name}) for name in extents)]):
        shape = [extents[name] for name in sorted(together)]
        if prod(shape) > _MOST:
            return None
        at = grid(together, extents)
        real = np.ones(shape, dtype=np.bool_)
        for dim in _within(edges, together):
            place = coordinates(dim, at)
            real &= (place >= 0) & (place < dim.extent)
        if dims is None:
            count *= int(np.count_nonzero(real))
            continue
        index = np.zeros(shape, dtype=np.int64)
        for dim in _within(dims, together):
            index = index * dim.extent + coordinates(dim, at)
        count *= len(np.unique(index[real]))
    return count


def _within(dims: Sequence[Dim], names: frozenset[str]) -> list[Dim]:
    """The dimensions that these iterators, and no others, move."""
    return [dim for dim in dims if dim.terms and names.issuperset(name for name, _ in dim.terms)]
