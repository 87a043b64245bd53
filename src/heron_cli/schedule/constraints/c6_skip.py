"""C6: leaving out padded taps needs one point per tile on every padded axis that is tested at run time."""

from __future__ import annotations

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.einsum import Edge
from heron_cli.schedule.nest import SKIP
from heron_cli.schedule.primitives import Place
from heron_cli.space import (
    Boolean,
    Expression,
    Var,
    any_of,
    at_least,
    at_most,
    ceil_div,
    const,
    different,
    equal,
    minimum,
    product,
)


class SkippedTaps(ConstraintRule):
    """Padded windows of which each tile knows the taps are unrolled by tile; other padded axes are tested in
    their tap's loop.
    """

    name = "C6 skipped taps"

    def post(self, poster: Poster) -> None:
        """Post the conditions of the place `skip`."""
        template, place = poster.template, poster.template.place
        if place is None or SKIP not in place.positions:
            return
        edges = template.static_edges
        for i in template.einsum.outside():
            dim = template.einsum.input.dims[i]
            if any(dim == edge.dim for edge in edges):
                continue
            for name, _ in dim.terms:
                axis = template.einsum.axis(name)
                if axis.group != "k":
                    poster.space.require(
                        f"{self.name} {name}",
                        _where_skipped(place, equal(poster.factor(template.split(name).inner, name), 1)),
                        f"axis {name}",
                        f"taps of {name} are left out for a whole tile, so a tile holds one {name}",
                    )
        if not edges:
            return
        taps, ends = (", ".join(names) for names in zip(*((e.tap, e.axis) for e in edges), strict=True))
        covered = template.tensorize.axes["k"]
        for edge in edges:
            if edge.tap != covered:
                continue
            split = template.split(edge.tap)
            poster.space.require(
                f"{self.name} {edge.tap}",
                _where_skipped(place, at_least(poster.factor(split.inner, edge.tap), split.blocks)),
                f"axis {edge.tap}",
                f"which rows of {edge.tap} the intrinsic takes is known where all of them are unrolled",
            )
        limit = template.accelerator.limits.get("unrolled")
        if limit is None:
            return
        code = poster.space.derive("skip.instructions", self._instructions(poster))
        poster.space.require(
            f"{self.name} code",
            _where_skipped(place, at_most(code, limit)),
            template.accelerator.where("limits.unrolled"),
            f"every tap of {taps} and every edge of {ends} has a body of its own",
        )

    def _instructions(self, poster: Poster) -> Expression:
        """Intrinsics in straight code, no fewer than are emitted: bodies x tile x taps x unrolled steps."""
        template = poster.template
        edges, covered = template.static_edges, template.tensorize.axes["k"]
        apart = {edge.axis for edge in edges}
        sizes = [_sum_of_sizes(poster, a.name) for a in template.einsum.spatial if a.name not in apart]
        points = [self._points(poster, edge) for edge in edges]
        unrolled = {edge.tap for edge in edges}
        if template.tensorize.batched:  # every tap is straight code
            unrolled = {axis.name for axis in template.einsum.reduction}
        # steps along the axis that the intrinsic covers are those of its taps
        taps = [axis.extent for axis in template.einsum.reduction if axis.name in unrolled - {covered}]
        return product([*sizes, *points, *taps, _steps(poster)])

    def _points(self, poster: Poster, edge: Edge) -> Expression:
        """Points along an edge in all bodies."""
        template = poster.template
        split = template.split(edge.axis)
        tiles = poster.tiles(edge.axis)
        first = [o * edge.dim.coefficient(edge.axis) + edge.dim.offset for o in range(split.blocks)]
        reach = (template.einsum.axis(edge.tap).extent - 1) * edge.dim.coefficient(edge.tap)
        left = sum(low < 0 for low in first)
        right = sum(low + reach >= edge.dim.extent for low in first)
        base = const(split.blocks) // tiles  # blocks of a short tile
        bodies = minimum(tiles, ceil_div(left, base) + ceil_div(right, base) + 2)
        return bodies * poster.factor(split.inner, edge.axis)


def _where_skipped(place: Place, condition: Boolean) -> Boolean:
    """The condition, of candidates that leave taps out instead of copying the input."""
    if len(place.positions) == 1:
        return condition
    return any_of(different(Var(f"place.{place.stage}"), place.positions.index(SKIP)), condition)


def _sum_of_sizes(poster: Poster, axis: str) -> Expression:
    """Blocks of a long tile and of a short one, where both occur: each has a body of its own."""
    blocks, tiles = poster.template.split(axis).blocks, poster.tiles(axis)
    base = const(blocks) // tiles
    return base + minimum(1, const(blocks) % tiles) * (base + 1)


def _steps(poster: Poster) -> Expression:
    """Intrinsics along the reduction in one body: the unrolled loop, what it leaves over, the last group."""
    axis = poster.template.tensorize.axes["k"]
    if axis is None:
        return const(1)
    split, extent = poster.template.split(axis), poster.template.einsum.axis(axis).extent
    whole = extent // split.unit
    step = poster.factor(split.inner, axis)
    return minimum(step, whole) + const(whole) % step + (1 if extent % split.unit else 0)
