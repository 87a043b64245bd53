"""Nest → TIR for NVIDIA GPUs: a software-pipelined product of gathered tiles on tensor cores.

A block computes one tile of the output. Its threads copy tiles of the operands into a ring of stages in
shared memory, some iterations ahead; warps (or warpgroups) multiply them; the sums leave through shared
memory. What is gathered, and how far apart rows lie, follows from the einsum's index maps alone, so gemm,
batched products and convolutions of any rank are one emitter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.buffers import item_bytes
from heron_cli.backends.cuda.epilogue import Epilogue
from heron_cli.backends.cuda.fragments import FragmentProducts, Position
from heron_cli.backends.cuda.geometry import Geometry
from heron_cli.backends.cuda.groups import GroupProducts
from heron_cli.backends.cuda.instructions import instruction
from heron_cli.backends.cuda.loader import Loader, take_apart
from heron_cli.backends.cuda.pack import in_order, packed
from heron_cli.schedule.einsum import Access
from heron_cli.schedule.nest import Nest

_RAW = {1: "uint8", 2: "uint16", 4: "uint32"}


@dataclass(frozen=True)
class Emitted:
    """A kernel as TIR, with what a launch needs and the source of the instruction that it calls."""

    function: Any
    extents: dict[str, int]
    instruction: str
    geometry: Geometry
    packed: Access | None


class KernelEmitter:
    """Emits the kernel of one nest. Use `emit`."""

    def __init__(self, nest: Nest) -> None:
        self.geometry = Geometry(nest)
        self.einsum = nest.einsum
        form = packed(self.geometry)
        constant = self.einsum.weight.constant
        self.packed = form if constant and not in_order(self.einsum.weight, form) else None
        self.weight = form if constant else self.einsum.weight

    def emit(self, symbol: str) -> Emitted:
        """The kernel: symbol(input, weight, operands of the epilogue, output)."""
        geometry, einsum = self.geometry, self.einsum
        arguments = []
        for access in (einsum.input, self.weight, *einsum.finishing, einsum.output):
            kind = _RAW[item_bytes(access.dtype)]
            arguments.append(tir.argument(access.name, kind, prod(access.shape()), 16))
        self.buffers = {
            access.name: buffer
            for access, (_, buffer) in zip(
                (einsum.input, self.weight, *einsum.finishing, einsum.output), arguments, strict=True
            )
        }
        self.shared = tir.shared_memory("shared", geometry.shared_bytes)
        self.rows = Loader(geometry, einsum.input, "m", self.buffers["input"])
        self.columns = Loader(geometry, replace(self.weight, name="weight"), "n", self.buffers["weight"])
        self.products: FragmentProducts | GroupProducts = (
            GroupProducts(geometry, self.rows, self.columns)
            if geometry.grouped
            else FragmentProducts(geometry, self.rows, self.columns)
        )
        self.epilogue = Epilogue(geometry, self.buffers)
        extents = {"blockIdx.x": geometry.blocks}
        if geometry.split > 1:
            extents["blockIdx.y"] = geometry.split
        extents["threadIdx.x"] = geometry.threads
        function = tir.launched(symbol, arguments, extents, self._body)
        transposed = (self.rows.plan.transposed, self.columns.plan.transposed)
        return Emitted(function, extents, instruction(geometry, transposed), geometry, self.packed)

    def _body(self, block: Any, *rest: Any) -> Any:
        geometry, thread = self.geometry, rest[-1]
        statements = [tir.allocate(self.shared)]
        tile_m, tile_n, batches = self._tile(block)
        first = {"m": tile_m * geometry.block("m"), "n": tile_n * geometry.block("n")}
        warp = tir.variable("warp")
        statements.append(
            tir.named(warp, tir.device_value("int32", "heron_uniform", thread // geometry.nest.lanes))
        )
        at = Position(thread % geometry.nest.lanes, warp % geometry.warps("m"), warp // geometry.warps("m"))
        rank: Any = 0
        if geometry.split > 1:
            rank = tir.variable("rank")
            statements.append(tir.named(rank, tir.device_value("int32", "heron_cluster_rank")))
        self.rank, self.thread = rank, thread
        for loader, dim in ((self.rows, "m"), (self.columns, "n")):
            statements += loader.declare()
            statements += loader.setup(thread, first[dim], batches)
        statements += self.products.declare()
        statements += self._main(at)
        statements += self.epilogue.declare()
        statements += self.epilogue.stage(self.shared, self.products.sums, self.products.results(at))
        together = tir.device("heron_cluster_barrier" if geometry.split > 1 else "heron_barrier")
        statements += [together, self.epilogue.write(self.shared, thread, rank, first, batches)]
        if geometry.split > 1:
            statements.append(together)  # until then others read this block's sums
        return tir.sequence(statements)

    def _tile(self, block: Any) -> tuple[Any, Any, dict[str, Any]]:
        """Which tile a block computes: batches outermost, then bands of rows of tiles, then columns."""
        geometry = self.geometry
        down, across = geometry.grid("m"), geometry.grid("n")
        tile = block % (down * across) if geometry.batches else block
        batches = take_apart(block // (down * across), list(geometry.batches)) if geometry.batches else {}
        band = min(geometry.nest.band, down)
        if band == 1 or across == 1:
            return tile // across, tile % across, batches
        begin, within = tile // (band * across) * band, tile % (band * across)
        height = band if down % band == 0 else tir.minimum(down - begin, band)
        return begin + within % height, within // height, batches

    def _main(self, at: Position) -> list[Any]:
        """The pipelined loop over stages: copies run ahead, products follow."""
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
            later = turn + ahead
            copies = [self._copies_in_loop(later)] if count > ahead else []
            commit = tir.device("heron_copy_commit")
            products = self.products.multiply(self.shared, self._base(turn), at)
            if geometry.grouped:
                body += [*products[:-1], *copies, commit, products[-1]]
            else:
                body += [*copies, commit, *products]
            return tir.sequence(body)

        statements.append(tir.loop("turn", count, stage))
        return [
            *statements,
            *self.products.finish(),
            tir.device("heron_copy_wait<0>"),
            tir.device("heron_barrier"),
        ]

    def _copies_in_loop(self, turn: Any) -> Any:
        copies = tir.sequence(self._copy(turn, turn % self.geometry.depth))
        return tir.branch(turn < self.geometry.iterations, copies)

    def _base(self, turn: Any) -> Any:
        return turn % self.geometry.depth * self.geometry.stage_bytes

    def _copy(self, turn: Any, slot: Any) -> list[Any]:
        """Copy what iteration `turn` multiplies into a stage."""
        geometry = self.geometry
        base = slot * geometry.stage_bytes
        loops = [*geometry.taps, (geometry.axes["k"], geometry.chunks)]
        at = take_apart(turn, loops)
        chunk = at.pop(geometry.axes["k"])
        start = (self.rank * geometry.chunks + chunk) * geometry.block("k")
        second = base + geometry.aligned(geometry.operand_bytes("m"))
        return [
            *self.rows.copy(self.shared, base, self.thread, at, start),
            *self.columns.copy(self.shared, second, self.thread, at, start),
        ]
