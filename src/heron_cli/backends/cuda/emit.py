"""Nest → TIR for NVIDIA GPUs: a software-pipelined product of gathered tiles on tensor cores.

A block computes one tile of the output: tiles of the operands arrive in a ring of stages in shared memory,
some iterations ahead of the warps (or warpgroups) that multiply them; the sums leave through shared memory.
What is gathered, and how far apart rows lie, follows from the einsum's index maps alone, so gemm, batched
products and convolutions of any rank are one emitter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.buffers import item_bytes
from heron_cli.backends.cuda.bulk import Bulk, registers
from heron_cli.backends.cuda.epilogue import Epilogue
from heron_cli.backends.cuda.fragments import FragmentProducts, Position
from heron_cli.backends.cuda.geometry import Geometry
from heron_cli.backends.cuda.groups import GroupProducts
from heron_cli.backends.cuda.instructions import instruction
from heron_cli.backends.cuda.loader import Loader, coordinate, take_apart
from heron_cli.backends.cuda.pack import in_order, packed
from heron_cli.backends.cuda.ring import Ring
from heron_cli.schedule.einsum import Access
from heron_cli.schedule.nest import Nest

Tile = tuple[Mapping[str, Any], Mapping[str, Any]]
"""Where a tile begins along m and n, and the batches that it belongs to."""

_RAW = {1: "uint8", 2: "uint16", 4: "uint32"}


@dataclass(frozen=True)
class Emitted:
    """A kernel as TIR, with what a launch needs and the source of the instruction that it calls.

    `maps` describes the tensor maps that the host encodes; they follow the pointers among the parameters.
    """

    function: Any
    extents: dict[str, int]
    instruction: str
    geometry: Geometry
    packed: Access | None
    maps: tuple[dict[str, Any], ...] = ()


class KernelEmitter:
    """Emits the kernel of one nest. Use `emit`. `asynchronous`: whether the GPU has cp.async (from 8.0)."""

    def __init__(self, nest: Nest, asynchronous: bool = True) -> None:
        self.geometry, self.asynchronous = Geometry(nest), asynchronous
        self.einsum = nest.einsum
        form = packed(self.geometry)
        constant = self.einsum.weight.constant
        self.packed = form if constant and not in_order(self.einsum.weight, form) else None
        self.weight = replace(form if constant else self.einsum.weight, name="weight")

    def emit(self, symbol: str) -> Emitted:
        """The kernel: symbol(input, weight, operands of the epilogue, output, tensor maps)."""
        geometry, einsum = self.geometry, self.einsum
        operands = (einsum.input, self.weight, *einsum.finishing, einsum.output)
        arguments = [
            tir.argument(access.name, _RAW[item_bytes(access.dtype)], prod(access.shape()), 16)
            for access in operands
        ]
        self.buffers = {access.name: buffer for access, (_, buffer) in zip(operands, arguments, strict=True)}
        self.shared = tir.shared_memory("shared", geometry.shared_bytes)
        self.loaders = (
            Loader(geometry, einsum.input, "m", self.buffers["input"]),
            Loader(geometry, self.weight, "n", self.buffers["weight"]),
        )
        self.products: FragmentProducts | GroupProducts = (
            GroupProducts(geometry, *self.loaders)
            if geometry.grouped
            else FragmentProducts(geometry, *self.loaders)
        )
        self.epilogue = Epilogue(geometry, self.buffers)
        self.bulk: Bulk | None = None
        names: tuple[Any, ...] = ()
        if geometry.bulk:
            names = tuple(tir.tensor_map(f"{access.name}_map") for access in operands[:2])
            self.bulk = Bulk(geometry, (einsum.input, self.weight), self.shared, (names[0], names[1]))
            assert isinstance(self.products, GroupProducts)
            self.bulk.products = self.products
        extents = {"blockIdx.x": geometry.blocks}
        if geometry.cluster > 1:
            extents["blockIdx.y"] = geometry.cluster
        extents["threadIdx.x"] = geometry.threads
        function = tir.launched(symbol, arguments, extents, self._body, names)
        transposed = tuple(loader.plan.transposed for loader in self.loaders)
        maps = () if self.bulk is None else tuple(m.describe(i) for i, m in enumerate(self.bulk.maps))
        call = instruction(geometry, (transposed[0], transposed[1]))
        return Emitted(function, extents, call, geometry, self.packed, maps)

    def _body(self, block: Any, *rest: Any) -> Any:
        geometry, thread = self.geometry, rest[-1]
        statements = [tir.allocate(self.shared)]
        ranks = self._ranks(statements)
        warp = tir.variable("warp")
        statements.append(
            tir.named(warp, tir.device_value("int32", "heron_uniform", thread // geometry.nest.lanes))
        )
        member = warp % (geometry.warps("m") * geometry.warps("n")) if geometry.teams > 1 else warp
        down = geometry.warps("m")
        at = Position(thread % geometry.nest.lanes, member % down, member // down)
        tile = self._tile(block, ranks)
        if self.bulk is None:
            ring = Ring(geometry, self.loaders, self.products, self.shared, self._wait(), self.asynchronous)
            multiplied = ring.emit(at, thread, ranks["k"], *tile, self._active(tile))
            statements += [*multiplied, *self._leave(at, tile)]
        else:
            statements += [*self.bulk.open(thread), *self._wait()]
            statements.append(self._roles(self.bulk, warp, thread, at, ranks, block))
        together = tir.device("heron_cluster_barrier")
        if not geometry.direct:
            statements.append(together if geometry.split > 1 else tir.device("heron_barrier"))
            statements.append(tir.when(self._working(thread), self._write(thread, ranks, *tile)))
        if geometry.cluster > 1:
            statements.append(together)  # until then others read this block's sums, or release its stages
        return tir.sequence(statements)

    def _wait(self) -> list[Any]:
        """What comes before the first touch of memory: the kernel before this one may still write it.

        Every thread waits, so that this kernel never ends before that one. Only then may the next one begin,
        so that no more than one waits in the processors' memories.
        """
        if not self.geometry.nest.overlap:
            return []
        return [tir.device("heron_previous_wait"), tir.device("heron_next_begin")]

    def _active(self, tile: Tile) -> Any:
        """Whether a tile has products: phases of a transposed convolution may have no tap of its window.

        None where all have some. Blocks that stay multiply zeros there: stages of their tiles are counted.
        """
        _, batches = tile
        if self.geometry.stays:
            return None
        conditions = []
        for dim in self.einsum.weight.dims:
            if dim.leaves(self.einsum.iterators) and all(name in batches for name, _ in dim.terms):
                here = coordinate(dim, batches)
                conditions += [here >= 0, here < dim.extent]
        return tir.both(*conditions)

    def _leave(self, at: Position, tile: Tile) -> list[Any]:
        """What a thread that multiplied does with its sums."""
        sums, results = self.products.sums, self.products.results(at)
        if not self.geometry.direct:
            return self.epilogue.stage(self.shared, sums, at.lane, results)
        return [*self.epilogue.declare(), *self.epilogue.direct(sums, at.lane, results, *tile)]

    def _write(
        self, thread: Any, ranks: Mapping[str, Any], first: Mapping[str, Any], batches: Mapping[str, Any]
    ) -> Any:
        """Staged results on their way out."""
        geometry = self.geometry
        members = geometry.shared("m") * geometry.shared("n")
        here = ranks["m"] * geometry.shared("n") + ranks["n"]
        sharers = [share * members + here for share in range(geometry.split)]
        write = self.epilogue.write(self.shared, thread, ranks["k"], sharers, first, batches)
        return tir.sequence([*self.epilogue.declare(), write])

    def _working(self, thread: Any) -> Any:
        """Whether a thread is one of those that multiply; None where all are."""
        return thread < self.geometry.workers if self.geometry.bulk else None

    def _roles(
        self,
        bulk: Bulk,
        warp: Any,
        thread: Any,
        at: Position,
        ranks: Mapping[str, Any],
        block: Any,
    ) -> Any:
        """One warpgroup copies, the others multiply; each takes the registers that it needs."""
        geometry = self.geometry
        groups, teams = geometry.workers // 128, geometry.teams

        def copy(visit: Any, tile: Tile) -> list[Any]:
            return [tir.when(self._active(tile), tir.sequence(bulk.copy(ranks, *tile, visit)))]

        def work(visit: Any, tile: Tile) -> list[Any]:
            products = tir.sequence(bulk.multiply(at, ranks, visit, team))
            zero = self.products.declare()
            return [*zero, tir.when(self._active(tile), products), *self._leave(at, tile)]

        team = warp // (groups // teams) if teams > 1 else 0
        copier = tir.branch(thread == geometry.workers, self._visits(block, ranks, 0, 1, copy))
        keep = tir.device("heron_registers_keep<40>")
        take = tir.device(f"heron_registers_take<{registers(groups, geometry.nest.resident)}>")
        worker = self._visits(block, ranks, team, teams, work)
        return tir.branch(warp == groups, tir.sequence([keep, copier]), tir.sequence([take, worker]))

    def _visits(
        self,
        block: Any,
        ranks: Mapping[str, Any],
        first: Any,
        step: int,
        do: Callable[[Any, Tile], list[Any]],
    ) -> Any:
        """Every `step`-th tile of a block from the `first` on; the only one of a block that does not stay."""
        geometry = self.geometry
        if not geometry.stays:
            return tir.sequence(do(0, self._tile(block, ranks)))

        def one(turn: Any) -> Any:
            visit, number = tir.variable("visit"), tir.variable("tile")
            bound = [
                tir.named(visit, turn * step + first),
                tir.named(number, block + visit * geometry.blocks),
            ]
            body = tir.sequence(do(visit, self._tile(number, ranks)))
            return tir.sequence([*bound, tir.branch(number < geometry.tiles, body)])

        return tir.loop("turn_of_tiles", -(-geometry.visits // step), one)

    def _ranks(self, statements: list[Any]) -> dict[str, Any]:
        """The block's place in its cluster: along m and n, and which part of the reduction is its own."""
        geometry = self.geometry
        if geometry.cluster == 1:
            return {"m": 0, "n": 0, "k": 0}
        rank = tir.variable("rank")
        statements.append(tir.named(rank, tir.device_value("int32", "heron_cluster_rank")))
        parts = [("k", geometry.split), ("m", geometry.shared("m")), ("n", geometry.shared("n"))]
        found = take_apart(rank, [part for part in parts if part[1] > 1])
        return {name: found.get(name, 0) for name, _ in parts}

    def _tile(self, number: Any, ranks: Mapping[str, Any]) -> Tile:
        """Where this block's part of a tile begins."""
        geometry = self.geometry
        tile_m, tile_n, batches = self._coordinates(number)
        first = {
            "m": (tile_m * geometry.shared("m") + ranks["m"]) * geometry.block("m"),
            "n": (tile_n * geometry.shared("n") + ranks["n"]) * geometry.block("n"),
        }
        return first, batches

    def _coordinates(self, block: Any) -> tuple[Any, Any, dict[str, Any]]:
        """A tile by its number: batches outermost, then bands of rows of tiles, then columns."""
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
