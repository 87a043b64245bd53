"""A workload as MetaSchedule is given it: heron's own definition, with the weight as its intrinsic wants it.

A constant weight is packed in advance and untimed, as heron's is. One that is not constant (bmm) is packed by
the function, on the clock, in a stage that MetaSchedule places as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_cli.operators import finish, registry
from heron_cli.operators.workload import Workload
from heron_cli.schedule.analysis import analyse
from heron_cli.schedule.einsum import Einsum

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Packing:
    """Where the dimensions of a weight go: [batch…, n / tile, taps…, k / tile, n % tile, k % tile].

    `channel` and `summed` are the places of n and k. With tiles of one element: [batch…, taps…, k, n].
    """

    batch: tuple[int, ...]
    taps: tuple[int, ...]
    channel: int
    summed: int
    tile: tuple[int, int]

    def index(self, *index: Any) -> list[Any]:
        """Where the element of this index goes."""
        batch, taps = ([index[i] for i in places] for places in (self.batch, self.taps))
        (tn, tk), n, k = self.tile, index[self.channel], index[self.summed]
        if self.tile == (1, 1):
            return [*batch, *taps, k, n]
        return [*batch, n // tn, *taps, k // tk, n % tn, k % tk]

    def pack(self, weight: Array) -> Array:
        """The weight in this order."""
        moved = weight.transpose((*self.batch, *self.taps, self.summed, self.channel))
        if self.tile == (1, 1):
            return np.ascontiguousarray(moved)
        tn, tk = self.tile
        *outer, k, n = moved.shape
        tiled = moved.reshape(*outer, k // tk, tk, n // tn, tn)  # batch, taps, k, tk, n, tn
        first, last = len(self.batch), len(outer)
        order = (*range(first), last + 2, *range(first, last), last, last + 3, last + 1)
        return np.ascontiguousarray(tiled.transpose(order))


@dataclass(frozen=True, slots=True)
class Problem:
    """A module with the function `main` of the operands; `packing` of a weight packed in advance."""

    workload: Workload
    module: Any
    packing: Packing | None = None


def problem(workload: Workload, tile: tuple[int, int] | None) -> Problem:
    """The workload for an intrinsic that multiplies tiles of (n, k) elements of the weight.

    (1, 1) only moves these dimensions last, k before n; None leaves the weight as heron's operator has it.
    Raises ValueError for lengths that the tile does not divide.
    """
    from tvm import IRModule, te
    from tvm.s_tir import Schedule

    operator = registry.get(workload.operator)
    tensors = operator.compute(workload)
    function = te.create_prim_func(tensors).with_attr("global_symbol", "main")
    if tile is None:
        return Problem(workload, IRModule({"main": function}))
    constant = operator.specs(workload)["weight"].constant
    if not constant and tile == (1, 1):
        return Problem(workload, IRModule({"main": function}))
    packing = _packing(analyse(workload.name, tensors, frozenset({"weight"})), tile)
    schedule = Schedule(function)
    block = schedule.get_sblock(finish.sum_name(workload))
    if not constant:
        schedule.cache_read(block, 1, "global")
    schedule.transform_layout(block, ("read", 1), packing.index)
    return Problem(workload, schedule.mod, packing if constant else None)


def _packing(einsum: Einsum, tile: tuple[int, int]) -> Packing:
    """By the axes that the last dimensions of output and input move along, whatever the operator."""
    n, k = (access.dims[-1].terms[0][0] for access in (einsum.output, einsum.input))
    names = [dim.terms[0][0] for dim in einsum.weight.dims]
    extents = [dim.extent for dim in einsum.weight.dims]
    channel, summed = names.index(n), names.index(k)
    if extents[channel] % tile[0] or extents[summed] % tile[1]:
        raise ValueError(
            f"{einsum.name}: tiles of {tile} do not divide {n}={extents[channel]}, {k}={extents[summed]}"
        )
    batch = {axis.name for axis in einsum.axes if axis.group == "batch"}
    others = [place for place in range(len(names)) if place not in (channel, summed)]
    return Packing(
        tuple(place for place in others if names[place] in batch),
        tuple(place for place in others if names[place] not in batch),
        channel,
        summed,
        tile,
    )
