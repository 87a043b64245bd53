"""C4, stage fuse: how much of the input one copy covers, for the place and the loop order that are chosen."""

from __future__ import annotations

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.nest import ROOT, SKIP
from heron_cli.space import Expression, Var, const, product, select


class StageLength(ConstraintRule):
    """Derives `STAGE.length.AXIS` for every dimension of the copy, and its size `STAGE.bytes`."""

    name = "C4 stage length"

    def post(self, poster: Poster) -> None:
        """Post the lengths of the input's copy."""
        place = poster.template.place
        if place is None:
            return
        einsum = poster.template.einsum
        lengths = []
        names = place.length_names(einsum.input.dims)
        for label, dim in zip(names, einsum.input.dims, strict=True):
            cases: list[Expression] = []
            for position in place.positions:
                where = ROOT if position == SKIP else position
                length = poster.length(dim, poster.inside(where))
                cases.append(const(0) if position == SKIP else length)
            knob = f"place.{place.stage}"
            chosen = cases[0] if len(cases) == 1 else select(Var(knob), cases)
            lengths.append(poster.space.derive(label, chosen))
        poster.space.derive(f"{place.stage}.bytes", product(lengths))
