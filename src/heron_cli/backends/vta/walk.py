"""The way through a nest's tiles: which operations follow each other, on which parts of the scratch-pads.

Two readers share it: `codegen` makes instructions of the operations, `cycles` only their time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import prod

from heron_cli.backends.vta.buffers import Buffer
from heron_cli.backends.vta.config import Scratchpad, VtaConfig
from heron_cli.backends.vta.errors import ProgramError
from heron_cli.backends.vta.isa import AluOperation
from heron_cli.backends.vta.layout import Layout, Layouts
from heron_cli.backends.vta.loops import ONE, Folded, Loop, Strides, fold
from heron_cli.backends.vta.tiles import Tiles
from heron_cli.backends.vta.visits import Visits
from heron_cli.schedule.nest import Nest

Lows = tuple[int, ...]
"""The first block of every dimension that a tile covers; it identifies the tile."""


class Walk(ABC):
    """Walks through one nest. Readers implement the operations; all sizes and places are in elements."""

    def __init__(self, nest: Nest, config: VtaConfig, layouts: Layouts) -> None:
        self.nest, self.config, self.layouts = nest, config, layouts
        self.einsum = nest.einsum
        self.tiles = Tiles(nest)
        self.visits = Visits(nest, self.tiles)
        self.operands: dict[str, Layout] = {
            "input": layouts.input,
            "weight": layouts.weight,
            "output": layouts.output,
            **{item.access.name: item for item in layouts.added},
        }
        self.lows = {name: self._lows(name) for name in self.operands}
        self.sums = self.tiles.tile_elements(layouts.output)
        self._folded: dict[str, Folded] = {}
        self._uops: dict[tuple[int, Strides], int] = {}  # where kernels lie in the scratch-pad
        self._uop_next = 0

    def _lows(self, name: str) -> list[Lows]:
        """By visit, or by tile and thread for what moves with the output."""
        found = self.visits.lows(self.operands[name])
        if name not in ("input", "weight"):
            found = found[:, :1]
        return list(map(tuple, found.reshape(-1, found.shape[-1]).tolist()))

    # --- operations ---------------------------------------------------------------------------------

    @abstractmethod
    def load(self, role: str, base: int, index: int) -> None:
        """Fill the buffer at `base` with an operand's tile at `lows[role][index]`."""

    @abstractmethod
    def load_uops(self, kernel: Folded, at: Strides, begin: int) -> None:
        """Load a kernel's micro-ops, moved to `at`, to `begin` in their scratch-pad."""

    @abstractmethod
    def reset(self, begin: int, sums: int) -> None:
        """Set a tile of sums to 0, with the micro-op at `begin`."""

    @abstractmethod
    def multiply(self, begin: int, kernel: Folded, places: Strides) -> None:
        """Add the products of the tiles at `places` (sums, input, weight)."""

    @abstractmethod
    def immediate(self, begin: int, operation: AluOperation, sums: int, value: int) -> None:
        """Do an operation with an immediate on every sum of a tile."""

    @abstractmethod
    def add(self, begin: int, kernel: Folded, sums: int) -> None:
        """Add a tile in the accumulators' scratch-pad to the sums."""

    @abstractmethod
    def store(self, sums: int, index: int) -> None:
        """Store a tile of results to the output's tile at `lows["output"][index]`."""

    # --- the walk -----------------------------------------------------------------------------------

    def walk(self) -> None:
        """All operations, in an order that means the right thing.

        Raises ProgramError when the machine cannot run it: the constraints should have excluded the nest.
        """
        tiles, stages, threads = self.visits.shape
        buffers = [self._buffers(i, threads) for i in range(threads)]
        for tile in range(tiles):
            sums = [each["accumulate"].next() for each in buffers]
            for stage in range(stages):
                first = (tile * stages + stage) * threads
                places = [
                    (self._fill("input", each, first + i), self._fill("weight", each, first + i))
                    for i, each in enumerate(buffers)
                ]
                for place, (source, weight) in zip(sums, places, strict=True):
                    if stage == 0:
                        self.reset(self._kernel(ONE, (place, 0, 0)), place)
                    kernel, at = self._products(), (place, source, weight)
                    self.multiply(self._kernel(kernel, at), kernel, at)
            for i, (place, each) in enumerate(zip(sums, buffers, strict=True)):
                self._finish(place, each, tile * threads + i)

    def _finish(self, sums: int, buffers: Mapping[str, Buffer], index: int) -> None:
        """The epilogue on a tile of sums, and its store."""
        for op in self.einsum.epilogue:
            if op.kind == "add" and op.operand is not None:
                name = op.operand.name
                added = self._fill(name, buffers, index)
                kernel = self._added(name)
                self.add(self._kernel(kernel, (sums, added, 0)), kernel, sums)
            elif op.kind == "shift":
                self._immediate(AluOperation.SHIFT, sums, op.values[0])
            elif op.kind == "clip":
                self._immediate(AluOperation.MAX, sums, op.values[0])
                self._immediate(AluOperation.MIN, sums, op.values[1])
        self.store(sums, index)

    def _immediate(self, operation: AluOperation, sums: int, value: int | None) -> None:
        """None is no bound, so nothing is done."""
        if value is not None:
            self.immediate(self._kernel(ONE, (sums, sums, 0)), operation, sums, value)

    # --- buffers ------------------------------------------------------------------------------------

    def memory(self, role: str) -> Scratchpad:
        """Where an operand's tiles live."""
        return {"input": self.config.input, "weight": self.config.weight}.get(role, self.config.accumulator)

    def _buffers(self, thread: int, threads: int) -> dict[str, Buffer]:
        found: dict[str, Buffer] = {}
        used: dict[str, int] = {}
        for name, operand in self.operands.items():
            role = "accumulate" if name == "output" else name
            memory, size = self.memory(role), self.tiles.tile_elements(operand)
            copies = self.nest.copies.get(memory.name, 1)
            begin = used.get(memory.name, 0)
            used[memory.name] = begin + size * copies * threads
            if used[memory.name] > memory.depth:
                need = f"up to {role}, {used[memory.name]} elements are due in {memory.name}"
                raise ProgramError(f"{need}, which has {memory.depth}")
            found[role] = Buffer(begin + thread * copies * size, size, copies)
        return found

    def _fill(self, role: str, buffers: Mapping[str, Buffer], index: int) -> int:
        """Load a tile, unless a buffer still holds it; its first element."""
        buffer, lows = buffers[role], self.lows[role][index]
        base = buffer.find(lows)
        if base is None:
            base = buffer.next(lows)
            self.load(role, base, index)
        return base

    # --- micro-ops ----------------------------------------------------------------------------------

    def _kernel(self, kernel: Folded, at: Strides) -> int:
        """Where a kernel, moved to `at`, lies in the memory of micro-ops, after loading it if need be.

        Kernels are told apart by identity: there are a few per program, each made once.
        """
        key = (id(kernel), at)
        begin = self._uops.get(key)
        if begin is not None:
            return begin
        depth = self.config.uop.depth
        if kernel.count > depth:
            raise ProgramError(f"a kernel of {kernel.count} micro-ops; the memory holds {depth}")
        if self._uop_next + kernel.count > depth:
            self._uops.clear()
            self._uop_next = 0
        begin = self._uops[key] = self._uop_next
        self._uop_next += kernel.count
        self.load_uops(kernel, at, begin)
        return begin

    def _products(self) -> Folded:
        """The loops of a tile's products."""
        if "gemm" not in self._folded:
            loops = []
            for axis in self.nest.order[-1][1]:
                output, source, weight = (
                    self.tiles.strides(self.operands[name], axis) for name in ("output", "input", "weight")
                )
                loops.append(Loop(self.nest.tilings[axis].size, (output, source, weight)))
            self._folded["gemm"] = fold(loops, self.config.limits.iterations)
        return self._folded["gemm"]

    def _added(self, name: str) -> Folded:
        """The loops over a tile of sums (dst) and over what is added to them (src)."""
        if name not in self._folded:
            output = self.operands["output"]
            lengths = self.tiles.lengths(output)
            loops = []
            for i, (dim, length) in enumerate(zip(output.dims, lengths, strict=True)):
                axes = [axis.name for axis in self.einsum.axes if self.tiles.moves(axis.name, dim)]
                source = sum(self.tiles.strides(self.operands[name], axis) for axis in axes)
                loops.append(Loop(length, (prod(lengths[i + 1 :]), source, 0)))
            self._folded[name] = fold(loops, self.config.limits.iterations)
        return self._folded[name]
