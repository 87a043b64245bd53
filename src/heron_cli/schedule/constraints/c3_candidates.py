"""C3, candidates: knobs that choose from a list (orders, copies, depths, bands, distances, places)."""

from __future__ import annotations

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.primitives import Order, Pipeline, Prefetch, Raster, Resident


class Candidates(ConstraintRule):
    """One knob per list with more than one entry."""

    name = "C3 candidates"

    def post(self, poster: Poster) -> None:
        """Post the orders, the copies and the place."""
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
        for raster in poster.template.all(Raster):
            poster.space.knob(f"band.{raster.level}", raster.bands)
        for prefetch in poster.template.all(Prefetch):
            if len(prefetch.distances) > 1:
                poster.space.knob(f"prefetch.{prefetch.operand}", prefetch.distances)
        place = poster.template.place
        if place is not None and len(place.positions) > 1:
            poster.space.knob(f"place.{place.stage}", range(len(place.positions)))
