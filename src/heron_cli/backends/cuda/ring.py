"""Stages filled by the threads that multiply: copies run some iterations ahead of the products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.cuda.fragments import FragmentProducts, Position
from heron_cli.backends.cuda.geometry import Geometry
from heron_cli.backends.cuda.groups import GroupProducts
from heron_cli.backends.cuda.loader import Loader, take_apart

_MOST, _REGISTERS = 255, 65_536  # of a thread, of a processor
_WORKING = 24  # registers for addresses, counters and what is read ahead


class Ring:
    """Emits the pipelined loop of a block; `before` comes before the first copy.

    `asynchronous`: whether the GPU copies while its threads go on; otherwise copies go through registers.
    """

    def __init__(
        self,
        geometry: Geometry,
        loaders: tuple[Loader, Loader],
        products: FragmentProducts | GroupProducts,
        shared: Any,
        before: list[Any],
        asynchronous: bool,
    ) -> None:
        self.asynchronous = asynchronous and all(loader.asynchronous for loader in loaders)
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

        if isinstance(self.products, FragmentProducts) and self._wraps(self.products):
            statements += self._wrapped(self.products, ahead, at)
        else:
            statements.append(tir.loop("turn", count, lambda turn: self._stage(turn, ahead, at)))
        statements += [*self.products.finish(), tir.device("heron_copy_wait<0>")]
        if not geometry.direct:  # staged results take the place of the stages
            statements.append(tir.device("heron_barrier"))
        return statements

    def _stage(self, turn: Any, ahead: int, at: Position) -> Any:
        """Wait for a stage, begin to copy a later one, multiply."""
        geometry = self.geometry
        count, depth = geometry.iterations, geometry.depth
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
        if geometry.grouped:  # copies are issued while the products run, which the last statement waits for
            return tir.sequence([*body, *products[:-1], *copies, commit, products[-1]])
        return tir.sequence([*body, *copies, commit, *products])

    def _wraps(self, products: FragmentProducts) -> bool:
        """Whether the first fragments of a stage are read before the last products of the one before it.

        They alternate between two sets of registers, so the number of steps must be even. Not where copies go
        through registers, whose loads should be on their way together; nor where the numbers that live on
        from stage to stage leave few registers to work with, as the compiler would spill.
        """
        held = products.held + self.rows.held + self.columns.held
        room = min(_MOST, _REGISTERS // (self.geometry.threads * self.geometry.nest.resident))
        return self.asynchronous and products.steps % 2 == 0 and held + _WORKING <= room

    def _wrapped(self, products: FragmentProducts, ahead: int, at: Position) -> list[Any]:
        """The loop where the tensor cores work on while a stage ends and the next one begins.

        The last products of a stage come after the first fragments of the next one were asked for, so they
        hide the barrier and the way from shared memory. Copies of a later stage are spread over the steps;
        they overwrite the stage whose last fragments were read before the barrier of the turn before. What is
        read after the last stage is whatever lies in the ring, and is not multiplied.
        """
        geometry = self.geometry
        count, depth, steps = geometry.iterations, geometry.depth, products.steps
        arrived = [tir.device(f"heron_copy_wait<{ahead - 1}>"), tir.device("heron_barrier")]

        def stage(turn: Any) -> Any:
            base, following = (slot % depth * geometry.stage_bytes for slot in (turn, turn + 1))
            go = turn + ahead < count
            copies = self._copy(turn + ahead, (turn + ahead) % depth, go) if count > ahead else []
            share = -(-len(copies) // (steps - 1))
            body = []
            for step in range(steps - 1):
                body += products.read(step + 1, self.shared, base, at)
                body += copies[step * share : (step + 1) * share]
                body += products.product(step)
            body += [tir.device("heron_copy_commit"), *arrived]
            body += products.read(0, self.shared, following, at)
            return tir.sequence([*body, *products.product(steps - 1)])

        return [*arrived, *products.read(0, self.shared, 0, at), tir.loop("turn", count, stage)]

    def _copy(self, turn: Any, slot: Any, go: Any = None) -> list[Any]:
        """Copy what iteration `turn` multiplies into a stage; only where `go` is true, if it is given."""
        geometry = self.geometry
        base = slot * geometry.stage_bytes
        taps, start = iteration(geometry, turn, self.share)
        second = base + geometry.aligned(geometry.operand_bytes("m"))
        return [
            *self.rows.copy(self.shared, base, self.thread, taps, start, go),
            *self.columns.copy(self.shared, second, self.thread, taps, start, go),
        ]


def iteration(geometry: Geometry, turn: Any, share: Any) -> tuple[dict[str, Any], Any]:
    """The taps of an iteration, and where its steps along the instruction's reduction axis begin."""
    at = take_apart(turn, [*geometry.taps, (geometry.axes["k"], geometry.chunks)])
    chunk = at.pop(geometry.axes["k"])
    return at, (share * geometry.chunks + chunk) * geometry.block("k")
