"""How many copies a thread makes to fill its part of a gathered tile: what `input.copies` in a rule means."""

from __future__ import annotations

from math import gcd

from heron_cli.elements import BYTES
from heron_cli.schedule.constraints.base import Poster
from heron_cli.schedule.einsum import Access, Einsum
from heron_cli.space import Expression, ceil_div, const, product

PIECE = 16  # bytes of the widest copy
_ASYNC = 4  # bytes of the narrowest that does not go through registers
_ROWS = {"input": "m", "weight": "n"}


def width(einsum: Einsum, access: Access, row: str, k: str) -> int:
    """Elements that one copy may move, by the operand's layout alone; packed weights have k innermost."""
    item = BYTES[access.dtype]
    if access.constant:
        return PIECE // item
    if access.stride(k) == 1:
        return _aligned(access, k, einsum.axis(k).extent)
    names = access.names()
    parts = [(part.name, part.extent) for part in einsum.axis(row).parts if part.name in names]
    whole = [(row, einsum.axis(row).extent)]
    inner = next(((n, e) for n, e in reversed(whole if row in names else parts) if e > 1), None)
    if inner is None or access.stride(inner[0]) != 1 or item != 2:
        return 1
    leaves = any(dim.leaves(einsum.iterators) and dim.coefficient(inner[0]) for dim in access.dims)
    found = 1 if leaves else _aligned(access, *inner)
    return found if found * item == PIECE else 1


def _aligned(access: Access, along: str, extent: int) -> int:
    """Neighbours along an iterator that begin on a multiple of their count, wherever the others are."""
    found = gcd(PIECE // BYTES[access.dtype], extent, abs(access.offset()))
    for dim in access.dims:
        for name, coefficient in dim.terms:
            if name != along:
                found = gcd(found, dim.stride * coefficient)
    return found


def copies(poster: Poster, operand: str, *, narrow: bool = False) -> Expression:
    """Copies of a thread for one stage of an operand; 0 where threads copy none of it.

    `narrow`: only if they go through registers.
    """
    template = poster.template
    hold = next((each for each in template.holds if each.operand == operand), None)
    if hold is None or not template.accelerator.gathers or template.filled_by != "threads":
        return const(0)
    axes = [axis for dim in (_ROWS[operand], "k") if (axis := template.tensorize.axes[dim]) is not None]
    levels = poster.inside_of(hold)
    units = [template.split(axis).unit for axis in axes]
    tile = product([*units, *(poster.factor(level, axis) for axis in axes for level in levels)])
    accelerator, every = template.accelerator, [axis.name for axis in template.einsum.axes]
    bound = [name for name in levels if (accelerator.level(name).bind or "").startswith("threadIdx")]
    warps = [poster.factors(level, every) for level in bound]
    threads = product([template.tensorize.intrinsic.lanes, *warps])
    access = template.einsum.input if operand == "input" else template.einsum.weight
    each = width(template.einsum, access, axes[0], axes[-1])
    if narrow and each * BYTES[access.dtype] >= _ASYNC:
        return const(0)
    return ceil_div(tile, each * threads)
