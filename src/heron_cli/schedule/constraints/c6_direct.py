"""C6: results that leave straight from registers are whole pieces there, and whole sums."""

from __future__ import annotations

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.nest import DIRECT
from heron_cli.schedule.primitives import Bind, Store
from heron_cli.space import Expression, Var, all_of, any_of, const, different, divides, equal, product

_COLUMNS = 32  # of a row, that four lanes exchange: 2 sums of each of 4 blocks become 8 of one block


class DirectStores(ConstraintRule):
    """For templates that may write results from registers, without staging them in shared memory."""

    name = "C6 direct"

    def post(self, poster: Poster) -> None:
        """Post the columns of a warp, and that no other block has a part of the sums."""
        template = poster.template
        store = next(template.all(Store), None)
        n = template.tensorize.axes["n"]
        if store is None or DIRECT not in store.kinds or n is None:
            return
        split = template.split(n)
        columns = product([const(split.unit), poster.factor(split.inner, n)])
        parts: Expression = product(
            [
                const(1),
                *(
                    poster.factor(bind.level, axis.name)
                    for bind in template.all(Bind)
                    if bind.kind == "cluster"
                    for axis in template.einsum.reduction
                ),
            ]
        )
        poster.space.require(
            f"{self.name} {n}",
            any_of(
                different(Var("store"), store.kinds.index(DIRECT)),
                all_of(divides(_COLUMNS, columns), equal(parts, 1)),
            ),
            template.accelerator.where("stores"),
            f"results leave registers in whole pieces: {_COLUMNS} columns of {n}, summed by one block",
        )
