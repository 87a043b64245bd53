"""The constant weight as kernels read it: k innermost, each reduction axis in the order of the loops."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.buffers import item_bytes
from heron_cli.backends.cuda.geometry import Geometry
from heron_cli.backends.cuda.loader import PIECE, coordinate, flat, outside_of, take_apart
from heron_cli.schedule.einsum import Access, Dim

_THREADS = 256


def packed(geometry: Geometry) -> Access:
    """The weight packed: batch, n, taps, k; k filled up with zeros to whole 16-byte pieces."""
    einsum = geometry.nest.einsum
    k = geometry.axes["k"]
    whole = PIECE // item_bytes(einsum.weight.dtype)
    moving = [axis.name for axis in einsum.spatial if einsum.moves(axis, einsum.weight)]
    order = [*(name for name in moving if name != geometry.axes["n"]), geometry.axes["n"]]
    extents = [*((name, einsum.axis(name).extent) for name in order), *geometry.taps]
    extents.append((k, -(-einsum.axis(k).extent // whole) * whole))
    dims, stride = [], 1
    for name, extent in reversed(extents):
        dims.append(Dim(extent, stride, ((name, 1),)))
        stride *= extent
    return Access("weight", einsum.weight.dtype, tuple(reversed(dims)), constant=True)


def in_order(weight: Access, form: Access) -> bool:
    """Whether the user's tensor already is what kernels read."""
    mine = [(dim.extent, dim.stride, dim.terms, dim.offset) for dim in weight.dims if dim.extent > 1]
    asked = [(dim.extent, dim.stride, dim.terms, dim.offset) for dim in form.dims if dim.extent > 1]
    return mine == asked


def emit(symbol: str, geometry: Geometry, form: Access) -> Any:
    """The kernel that packs: one thread an element, zeros where k is filled up."""
    einsum = geometry.nest.einsum
    weight = replace(einsum.weight, constant=False)
    total = prod(form.shape())
    kind = {1: "uint8", 2: "uint16", 4: "uint32"}[item_bytes(weight.dtype)]
    source = tir.argument("weight", kind, prod(weight.shape()), 1)
    target = tir.argument("packed", kind, total, PIECE)

    def body(block: Any, thread: Any) -> Any:
        index = block * _THREADS + thread
        axes = take_apart(index, [(dim.terms[0][0], dim.extent) for dim in form.dims])
        parts = dict(axes)
        for name, value in axes.items():
            axis = einsum.axis(name)
            parts |= take_apart(value, [(part.name, part.extent) for part in axis.parts])
        k, conditions = geometry.axes["k"], []
        if form.dims[-1].extent > einsum.axis(k).extent:
            conditions.append(axes[k] < einsum.axis(k).extent)
        for i in outside_of(weight, parts_extents(geometry)):
            here = coordinate(weight.dims[i], parts)
            conditions += [here >= 0, here < weight.dims[i].extent]
        value = tir.load(source[1], flat(weight, parts))
        inside = tir.both(*conditions)
        if inside is not None:
            value = tir.guarded(inside, value, tir.zero(kind))
        return tir.branch(index < total, tir.store(target[1], index, value))

    extents = {"blockIdx.x": -(-total // _THREADS), "threadIdx.x": _THREADS}
    return tir.launched(symbol, [source, target], extents, body), extents


def parts_extents(geometry: Geometry) -> dict[str, int]:
    """Extents of the iterators as the operator was written, by which a constant operand is indexed."""
    return {part.name: part.extent for axis in geometry.nest.einsum.axes for part in axis.parts}
