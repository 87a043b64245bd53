"""Einsum → Einsum: drop unit axes, fuse contiguous axes, flatten others, pad a reduction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from heron_cli.schedule.einsum import GROUPS, Access, Axis, Dim, Einsum, Group, Part, merge_terms


def drop_unit_axes(einsum: Einsum) -> Einsum:
    """Remove axes of one iteration: they index nothing.

    Kept are the last n-like axis and the last channel when there is no longer one, since an intrinsic may
    need them (padded to its extent); phases, which are n-like too, are no lanes.
    """
    edges = einsum.edges
    kept: list[Axis] = []
    for group in GROUPS:
        axes = [axis for axis in einsum.axes if axis.group == group]
        longer = [axis for axis in axes if axis.extent > 1]
        if group == "n":
            plain = [axis for axis in axes if axis.name not in edges]
            longer += [] if any(axis in longer for axis in plain) else plain[-1:]
        if group == "k":
            channels = [axis for axis in axes if not einsum.window(axis.name)]
            longer += [] if any(axis in longer for axis in channels) else channels[-1:]
        kept += longer
    return _restricted(einsum, kept)


def drop_all_unit_axes(einsum: Einsum) -> Einsum:
    """As `drop_unit_axes`, for lanes that are a batch: kept are a batch-like axis and one of the sum."""
    kept: list[Axis] = []
    for group in GROUPS:
        axes = einsum.group(group)
        longer = [axis for axis in axes if axis.extent > 1]
        kept += longer or (axes[-1:] if group in ("batch", "k") else ())
    return _restricted(einsum, kept)


def _restricted(einsum: Einsum, kept: Sequence[Axis]) -> Einsum:
    """Without all other axes, which have one iteration."""
    if len(kept) == len(einsum.axes):
        return einsum
    names = {axis.name for axis in kept}
    order = tuple(axis for axis in einsum.axes if axis.name in names)

    def strip(access: Access) -> Access:
        dims = (
            replace(dim, terms=tuple(term for term in dim.terms if term[0] in names)) for dim in access.dims
        )
        return replace(access, dims=tuple(dims))

    return einsum.exchanged(strip).rewritten("drop unit axes", axes=order)


def fuse(einsum: Einsum, outer: str, inner: str) -> Einsum | None:
    """One axis instead of two neighbours of a group, or None where an operand is not contiguous over them.

    Contiguous: in every dynamic operand that they move, the outer axis strides by the inner one's whole
    run, and the inner one's dimension never leaves the data. Constant operands are packed and follow, but an
    axis along which the weight leaves its data stays by itself: what is zero can then be left out.
    """
    a, b = einsum.axis(outer), einsum.axis(inner)
    edges = {name for dim in einsum.left_out() for name, _ in dim.terms}
    if a.group != b.group or edges & {outer, inner}:
        return None
    axis = Axis(f"{outer}_{inner}", a.group, (*a.parts, *b.parts))
    changed: dict[Access, Access] = {}
    for access in einsum.accesses:
        if access.constant or not access.names() & {outer, inner}:
            continue
        merged = _fuse_access(access, a, b, axis.name, einsum.extents, written=access is einsum.output)
        if merged is None:
            return None
        changed[access] = merged
    axes = tuple(axis if other.name == outer else other for other in einsum.axes if other.name != inner)
    fused = einsum.exchanged(lambda access: changed.get(access, access))
    return fused.rewritten(f"fuse {outer} and {inner}", axes=axes)


def _fuse_access(
    access: Access, a: Axis, b: Axis, name: str, extents: dict[str, int], *, written: bool
) -> Access | None:
    holders = [i for i, dim in enumerate(access.dims) if dim.coefficient(a.name) or dim.coefficient(b.name)]
    if len(holders) != 2:
        return None
    far, near = access.dims[holders[0]], access.dims[holders[1]]
    if not far.coefficient(a.name) or near.coefficient(a.name) or far.coefficient(b.name):
        return None
    low, high = near.span(extents)
    if low < 0 or high >= near.extent or far.stride != near.stride * near.extent:
        return None
    if written and far.leaves(extents):
        return None  # a cropped output keeps its rows and columns apart
    if far.coefficient(a.name) * near.extent != near.coefficient(b.name) * b.extent:
        return None
    terms = merge_terms(
        [
            *((term, c * near.extent) for term, c in far.terms if term != a.name),
            *((name if term == b.name else term, c) for term, c in near.terms),
        ]
    )
    offset = far.offset * near.extent + near.offset
    dim = Dim(far.extent * near.extent, near.stride, terms, offset)
    dims = [dim if i == holders[0] else d for i, d in enumerate(access.dims) if i != holders[1]]
    return replace(access, dims=tuple(dims))


def fuse_all(einsum: Einsum, groups: tuple[str, ...]) -> Einsum:
    """Fuse neighbours of the named groups until nothing more is contiguous."""
    while True:
        for a, b in pairwise([axis for axis in einsum.axes if axis.group in groups]):
            fused = fuse(einsum, a.name, b.name)
            if fused is not None:
                einsum = fused
                break
        else:
            return einsum


def pad_axis(einsum: Einsum, name: str, multiple: int) -> Einsum:
    """Lengthen an unfused axis to a multiple; beyond its data every operand reads as zero."""
    axis = einsum.axis(name)
    (part,) = axis.parts
    extent = -(-part.extent // multiple) * multiple
    if extent == part.extent:
        return einsum
    longer = replace(axis, parts=(Part(part.name, extent),))
    axes = tuple(longer if other.name == name else other for other in einsum.axes)
    padded = einsum.padded | {name}
    return einsum.rewritten(f"pad {name} from {part.extent} to {extent}", axes=axes, padded=padded)


def flatten(einsum: Einsum, group: Group) -> Einsum:
    """One axis instead of all of a group, contiguous or not: implicit GEMM.

    Operands keep their terms, which now name parts of the axis; whoever reads them takes the axis apart.
    """
    axes = einsum.group(group)
    if len(axes) < 2 or any(axis.extent == 0 for axis in axes):
        return einsum
    whole = Axis(f"flat_{group}", group, tuple(Part(axis.name, axis.extent) for axis in axes))
    kept = [whole if axis is axes[0] else axis for axis in einsum.axes if axis is axes[0] or axis not in axes]
    names = " and ".join(axis.name for axis in axes)
    return einsum.rewritten(f"flatten {names}", axes=tuple(kept))


def complete(einsum: Einsum) -> Einsum:
    """Give every dimension of a matrix product an axis: one of a single iteration where there is none."""
    needed: tuple[Group, ...] = ("m", "n", "k")
    missing = [group for group in needed if not einsum.group(group)]
    if not missing:
        return einsum
    units = tuple(Axis(f"unit_{group}", group, ()) for group in missing)
    return einsum.rewritten(f"unit {' and '.join(missing)}", axes=(*einsum.axes, *units))
