"""C3, candidates: knobs that choose from a list (orders, copies, depths, bands, distances, places)."""

from __future__ import annotations

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.nest import STREAMED
from heron_cli.schedule.primitives import Order, Overlap, Pipeline, Prefetch, Raster, Resident, Stay, Store
from heron_cli.schedule.template import PACKED
from heron_cli.space import Expression, Var, all_of, any_of, at_least, const, different, equal


class Candidates(ConstraintRule):
    """One knob per list with more than one entry."""

    name = "C3 candidates"

    def post(self, poster: Poster) -> None:
        """Post the orders, the copies and the places."""
        for order in poster.template.all(Order):
            bound = poster.template.accelerator.level(order.level).bind
            if len(order.candidates) > 1 and bound is None:
                poster.space.knob(f"order.{order.level}", range(len(order.candidates)))
        for name in dict.fromkeys(hold.memory for hold in poster.template.holds):
            copies = poster.template.accelerator.memory(name).copies
            if len(copies) > 1:
                poster.space.knob(f"copies.{name}", copies)
        for pipeline in poster.template.all(Pipeline):
            if len(pipeline.depths) > 1:
                poster.space.knob(f"depth.{pipeline.level}", pipeline.depths)
        for resident in poster.template.all(Resident):
            poster.space.knob(f"resident.{resident.level}", resident.counts)
        for stay in poster.template.all(Stay):
            poster.space.knob(f"teams.{stay.level}", stay.teams)
        for overlap in poster.template.all(Overlap):
            poster.space.knob(f"overlap.{overlap.level}", (0, 1))
        for raster in poster.template.all(Raster):
            poster.space.knob(f"band.{raster.level}", raster.bands)
            self._distinct(poster, raster)
        for prefetch in poster.template.all(Prefetch):
            if len(prefetch.distances) > 1:
                poster.space.knob(f"prefetch.{prefetch.operand}", prefetch.distances)
        for store in poster.template.all(Store):
            poster.space.knob("store", range(len(store.kinds)))
            self._streamed(poster, store)
        place = poster.template.place
        if place is not None and len(place.positions) > 1:
            poster.space.knob(f"place.{place.stage}", range(len(place.positions)))
        pack = poster.template.pack
        if pack is not None and len(pack.positions) > 1:
            poster.space.knob(PACKED, range(len(pack.positions)))

    def _distinct(self, poster: Poster, raster: Raster) -> None:
        """Of bands that give one order of tiles, the narrowest: others are trials of the same program."""
        band, counts = Var(f"band.{raster.level}"), list[Expression]()
        for dim in ("m", "n"):
            axis = poster.template.tensorize.axes[dim]
            counts.append(const(1) if axis is None else poster.factor(raster.level, axis))
        rows, columns = counts
        poster.space.require(
            f"{self.name} band.{raster.level}",
            any_of(equal(band, 1), all_of(at_least(columns, 2), at_least(2 * rows, band + 1))),
            poster.template.accelerator.where(f"levels.{raster.level}.order"),
            "a band of more rows than there are, or of one column, is no other order of tiles",
        )

    def _streamed(self, poster: Poster, store: Store) -> None:
        """Lines that bypass the caches are not asked into them."""
        tried = [each for each in poster.template.all(Prefetch) if each.operand == "output"]
        if STREAMED not in store.kinds or not any(len(each.distances) > 1 for each in tried):
            return
        cached = different(Var("store"), store.kinds.index(STREAMED))
        poster.space.require(
            f"{self.name} store",
            any_of(cached, equal(Var("prefetch.output"), 0)),
            poster.template.accelerator.where("stores"),
            "lines that are streamed past the caches are not prefetched into them",
        )
