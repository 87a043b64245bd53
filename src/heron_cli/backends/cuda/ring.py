"""Stages filled by the threads that multiply: copies run some iterations ahead of the products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.cuda.fragments import FragmentProducts, Position
from heron_cli.backends.cuda.geometry import Geometry
from heron_cli.backends.cuda.groups import GroupProducts
from heron_cli.backends.cuda.loader import Loader, take_apart


class Ring:
    """Emits the pipelined loop of a block; `before` comes before the first copy."""

    def __init__(
        self,
        geometry: Geometry,
        loaders: tuple[Loader, Loader],
        products: FragmentProducts | GroupProducts,
        shared: Any,
        before: list[Any],
    ) -> None:
        self.geometry, self.products, self.shared, self.before = geometry, products, shared, before
        self.rows, self.columns = loaders

    def emit(
        self,
        at: Position,
        thread: Any,
        share: Any,
        first: Mapping[str, Any],
        batches: Mapping[str, Any],
        active: Any,
    ) -> list[Any]:
        """From the first copy to the last product; results may be staged then.

        `share`: which part of k. `active`: whether there are products at all, None where there are.
        """
        self.thread, self.share = thread, share
        statements = []
        for loader, dim in ((self.rows, "m"), (self.columns, "n")):
            statements += loader.declare()
            statements += loader.setup(thread, first[dim], batches)
        loop = tir.when(active, tir.sequence(self._loop(at)))
        return [*statements, *self.products.declare(), *self.before, loop]

    def _loop(self, at: Position) -> list[Any]:
        geometry = self.geometry
        count, depth = geometry.iterations, geometry.depth
        ahead = depth - self.products.ahead
        assert ahead >= 1, f"{depth} stages leave none to copy ahead"
        statements = []
        for early in range(ahead):
            if early < count:
                statements += self._copy(early, early % depth)
            statements.append(tir.device("heron_copy_commit"))

        def stage(turn: Any) -> Any:
            body = [tir.device(f"heron_copy_wait<{ahead - 1}>")]
            if geometry.grouped:
                body.append(tir.device("heron_group_fence"))
            body.append(tir.device("heron_barrier"))
            copies = []
            if count > ahead:
                later = tir.sequence(self._copy(turn + ahead, (turn + ahead) % depth))
                copies.append(tir.branch(turn + ahead < count, later))
            commit = tir.device("heron_copy_commit")
            products = self.products.multiply(self.shared, turn % depth * geometry.stage_bytes, at)
            if (
                geometry.grouped
            ):  # copies are issued while the products run, which the last statement waits for
                return tir.sequence([*body, *products[:-1], *copies, commit, products[-1]])
            return tir.sequence([*body, *copies, commit, *products])

        statements.append(tir.loop("turn", count, stage))
        statements += [*self.products.finish(), tir.device("heron_copy_wait<0>")]
        if not geometry.direct:  # staged results take the place of the stages
            statements.append(tir.device("heron_barrier"))
        return statements

    def _copy(self, turn: Any, slot: Any) -> list[Any]:
        """Copy what iteration `turn` multiplies into a stage."""
        geometry = self.geometry
        base = slot * geometry.stage_bytes
        taps, start = iteration(geometry, turn, self.share)
        second = base + geometry.aligned(geometry.operand_bytes("m"))
        return [
            *self.rows.copy(self.shared, base, self.thread, taps, start),
            *self.columns.copy(self.shared, second, self.thread, taps, start),
        ]


def iteration(geometry: Geometry, turn: Any, share: Any) -> tuple[dict[str, Any], Any]:
    """The taps of an iteration, and where its steps along the instruction's reduction axis begin."""
    at = take_apart(turn, [*geometry.taps, (geometry.axes["k"], geometry.chunks)])
    chunk = at.pop(geometry.axes["k"])
    return at, (share * geometry.chunks + chunk) * geometry.block("k")
