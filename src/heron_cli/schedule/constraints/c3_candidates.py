"""C3, candidates: knobs that choose from a list (loop orders, places of the input's copy)."""

from __future__ import annotations

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.primitives import Order


class Candidates(ConstraintRule):
    """One knob per list with more than one entry."""

    name = "C3 candidates"

    def post(self, poster: Poster) -> None:
        """Post the orders and the place."""
        for order in poster.template.all(Order):
            bound = poster.template.accelerator.level(order.level).bind
            if len(order.candidates) > 1 and bound is None:
                poster.space.knob(f"order.{order.level}", range(len(order.candidates)))
        place = poster.template.place
        if place is not None and len(place.positions) > 1:
            poster.space.knob(f"place.{place.stage}", range(len(place.positions)))
