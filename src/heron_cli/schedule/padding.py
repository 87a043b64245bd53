"""How many taps of a padded window are multiplied where those are left out that are padding for a tile."""

from __future__ import annotations

from dataclasses import dataclass

from heron_cli.schedule.constraints.base import Poster
from heron_cli.schedule.einsum import Dim, Einsum
from heron_cli.schedule.nest import SKIP, Tiling
from heron_cli.space import Expression, Var, const, minimum, select

_LARGEST = 256  # rows of a tile


@dataclass(frozen=True, slots=True)
class Window:
    """A padded dimension of the input that one m-like axis and one tap move."""

    dim: Dim
    row: str
    tap: str
    rows: int
    taps: int

    def multiplied(self, tiling: Tiling) -> int:
        """Pairs of a row and a tap that are multiplied, of `rows` times `taps`, a tile as a whole."""
        stride, step = self.dim.coefficient(self.row), self.dim.coefficient(self.tap)
        found = 0
        for tile in range(tiling.tiles):
            first = tiling.start(tiling.first_block(tile))
            size = min(tiling.tile_blocks(tile) * tiling.unit, tiling.extent - first)
            for tap in range(self.taps):
                low = first * stride + tap * step + self.dim.offset
                found += size * (low < self.dim.extent and low + (size - 1) * stride >= 0)
        return found


def windows(einsum: Einsum, reduced: str | None) -> list[Window]:
    """The padded windows of an einsum that loops move, which the axis that the intrinsic reduces has not."""
    taps, spatial = {axis.name for axis in einsum.reduction}, {axis.name for axis in einsum.spatial}
    found = []
    for dim in (einsum.input.dims[i] for i in einsum.outside()):
        tap = [name for name, _ in dim.terms if name in taps]
        row = [name for name, _ in dim.terms if name not in taps]
        if (
            len(tap) == len(row) == 1
            and row[0] in spatial
            and tap[0] != reduced
            and dim.coefficient(row[0]) > 0
        ):
            extents = einsum.axis(row[0]).extent, einsum.axis(tap[0]).extent
            found.append(Window(dim, row[0], tap[0], *extents))
    return found


def multiplied_per_kilo(poster: Poster) -> Expression | None:
    """Taps that are multiplied, of a thousand with those in the padding; None where nothing is left out.

    An estimate: in a copy, taps are left out where they are loops around the channels.
    """
    template, place = poster.template, poster.template.place
    found = windows(template.einsum, template.tensorize.axes["k"]) if place is not None else []
    if place is None or not found:
        return None
    tables = [_by_size(poster, window) for window in found]
    static = [edge.dim for edge in template.static_edges]
    cases: list[Expression] = []
    for position in place.positions:
        shares = [
            table[1] if position == SKIP and window.dim in static else choice
            for window, (choice, table) in zip(found, tables, strict=True)
        ]
        share: Expression = const(1000)
        for each in shares:
            share = share * each // 1000
        cases.append(share)
    return select(Var(f"place.{place.stage}"), cases) if len(cases) > 1 else cases[0]


def _by_size(poster: Poster, window: Window) -> tuple[Expression, list[int]]:
    """The share of one window per thousand, by the size of the tile's row axis, and as a table of it.

    Larger tiles than `_LARGEST` count as that: hardly a tap is padding for all of their rows.
    """
    split = poster.template.split(window.row)
    whole = window.rows * window.taps
    table = [
        1000 * window.multiplied(Tiling(window.rows, split.unit, max(size, 1), ())) // whole
        for size in range(min(split.blocks, _LARGEST) + 1)
    ]
    size = poster.factor(split.inner, window.row)
    return select(minimum(size, _LARGEST) if split.blocks > _LARGEST else size, table), table
