"""What bulk copies can move: boxes of a tensor with at most five dimensions, and columns of a convolution.

A box is a rectangle of the tensor. A column (im2col) is a run of output positions, row after row and image
after image, each of which reads the same offset from its window's first element. Both give zeros outside the
tensor. Limits: CUDA driver API, cuTensorMapEncodeTiled and cuTensorMapEncodeIm2col.
"""

from __future__ import annotations

from dataclasses import dataclass

from heron_cli.schedule.einsum import Access, Dim, Einsum

_GRAIN = 16  # bytes that strides and addresses are multiples of
_RANK = 5
_CORNERS = {1: (-(1 << 15), (1 << 15) - 1), 2: (-128, 127), 3: (-16, 15)}  # by spatial dimensions
_OFFSETS = {1: (1 << 16) - 1, 2: 255, 3: 31}


@dataclass(frozen=True, slots=True)
class Side:
    """A dimension of a box: its tensor dimension, and the iterators that place the box along it."""

    extent: int
    stride: int
    terms: tuple[tuple[str, int], ...]
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """A spatial dimension of a column: position = step · part + dilation · tap + offset."""

    part: str
    positions: int
    step: int
    tap: str | None
    dilation: int
    offset: int

    def upper(self, extent: int) -> int:
        """The corner that leaves exactly `positions` window beginnings in a dimension of `extent`."""
        return (self.positions - 1) * self.step + 1 - extent + self.offset


@dataclass(frozen=True, slots=True)
class Boxes:
    """How an operand is copied, innermost dimension first. `rows`: whether rows are innermost, instead of k.

    `windows` holds the spatial dimensions of a column, innermost first, and is empty for boxes; `image` is
    the part of the row axis that counts images, if there is one.
    """

    sides: tuple[Side, ...]
    rows: bool = False
    windows: tuple[Window, ...] = ()
    image: str | None = None


def boxes(einsum: Einsum, access: Access, row: str, k: str, item: int) -> Boxes | str:
    """The bulk copies that bring tiles of `row` × `k`, or why there are none. `item`: bytes of an element."""
    axis = einsum.axis(row)
    flattened = [part for part in axis.parts if part.name in access.names() and part.name != row]
    if any(dim.stride * item % _GRAIN for dim in access.dims if dim.stride != 1 and dim.extent > 1):
        return f"rows of {access.name} do not begin at multiples of {_GRAIN} bytes"
    if row in access.names() or not flattened:
        return _boxes(einsum, access, row, k)
    return _columns(einsum, access, [(part.name, part.extent) for part in axis.parts], k)


def _boxes(einsum: Einsum, access: Access, row: str, k: str) -> Boxes | str:
    if access.stride(k) != 1 and access.stride(row) != 1:
        return f"neither {row} nor {k} trails in {access.name}"
    extents = einsum.iterators
    for dim in access.dims:
        low, high = dim.span(extents)
        if low < 0 or high >= dim.extent or len(dim.terms) > 1 or any(c != 1 for _, c in dim.terms) or dim.offset:
            return f"{access.name} is indexed by {', '.join(name for name, _ in dim.terms)} beyond a box"
    dims = [dim for dim in access.dims if dim.terms]
    sides = sorted((Side(dim.extent, dim.stride, dim.terms) for dim in dims), key=lambda side: side.stride)
    if len(sides) > _RANK:
        return f"{access.name} has {len(sides)} dimensions; a box has at most {_RANK}"
    return Boxes(tuple(sides), rows=access.stride(k) != 1)


def _columns(einsum: Einsum, access: Access, parts: list[tuple[str, int]], k: str) -> Boxes | str:
    name = access.name
    if access.stride(k) != 1:
        return f"{k} does not trail in {name}, and its rows are those of a convolution"
    taps = {axis.name for axis in einsum.reduction}
    order = [part for part, _ in parts]
    windows: list[Window] = []
    image: tuple[str, Dim] | None = None
    channel: Dim | None = None
    for dim in access.dims:
        inside = [(n, c) for n, c in dim.terms if n in order]
        outside = [(n, c) for n, c in dim.terms if n in taps and n != k]
        if [n for n, _ in dim.terms] == [k] and dim.offset == 0:
            channel = dim
        elif len(inside) == 1 and len(inside) + len(outside) == len(dim.terms) and len(outside) <= 1:
            (part, step), (tap, dilation) = inside[0], (outside or [(None, 1)])[0]
            low, high = dim.span(einsum.iterators)
            if step == 1 and tap is None and low >= 0 and high < dim.extent and part == order[0] and image is None:
                image = (part, dim)
                continue
            if step < 1 or dilation < 1:
                return f"{name} runs backwards along {part}"
            windows.append(Window(part, dict(parts)[part], step, tap, dilation, dim.offset))
        elif dim.terms or dim.extent > 1:
            return f"{name} is indexed by {', '.join(n for n, _ in dim.terms)}, which no column follows"
    if image is not None and not windows:
        return f"{name} has no window"
    found = [window.part for window in windows]
    if channel is None or found != order[len(order) - len(found) :] or len(order) - len(found) > (image is not None):
        return f"the rows of {name} are not those of a convolution"
    spatial = [dim for dim in access.dims if any(n in found for n, _ in dim.terms)]
    if len(spatial) not in _CORNERS:
        return f"{name} has {len(spatial)} windows; a column has at most 3"
    low, high = _CORNERS[len(spatial)]
    for window, dim in zip(windows, spatial, strict=True):
        reach = 0 if window.tap is None else (einsum.axis(window.tap).extent - 1) * window.dilation
        if not low <= window.offset <= high or not low <= window.upper(dim.extent) <= high:
            return f"the windows of {window.part} begin too far outside {name} for a column ({low}..{high})"
        if reach > _OFFSETS[len(spatial)] or window.step > 8:
            return f"the windows of {window.part} reach too far for a column"
    sides = [Side(channel.extent, 1, channel.terms)]
    sides += [Side(dim.extent, dim.stride, dim.terms, dim.offset) for dim in reversed(spatial)]
    whole = spatial[0].stride * spatial[0].extent
    sides.append(Side(1, whole, ()) if image is None else Side(image[1].extent, image[1].stride, image[1].terms))
    return Boxes(tuple(sides), windows=tuple(reversed(windows)), image=None if image is None else image[0])
