"""Nest → instruction stream: tiles in scratch-pads, loop nests folded into GEMM and ALU instructions.

The nest already fixes every number, so nothing is lowered through TVM here: tiles are walked in Python,
each instruction is formed once per distinct shape, and tokens are inserted afterwards (`sync`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod

from heron_cli.backends.vta.buffers import Buffer
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.errors import ProgramError
from heron_cli.backends.vta.isa import Alu, AluOperation, Finish, Gemm, Instruction, Load, Memory, Store, Uop
from heron_cli.backends.vta.layout import Layout, Layouts
from heron_cli.backends.vta.loops import Folded, Loop, Strides, fold
from heron_cli.backends.vta.program import UOPS, Program, place
from heron_cli.backends.vta.tiles import Tiles
from heron_cli.backends.vta.transfers import rectangles
from heron_cli.schedule.nest import Nest

ONE: tuple[Strides, ...] = ((0, 0, 0),)
"""The offsets of a single micro-op."""


class Generator:
    """Generates the program of one nest, without tokens. Use `generate`."""

    def __init__(self, nest: Nest, config: VtaConfig) -> None:
        self.nest = nest
        self.config = config
        self.einsum = nest.einsum
        self.layouts = Layouts.of(nest, config)
        self.inner = nest.order[-1][0]
        self.groups = {axis.name: axis.group for axis in self.einsum.axes}
        self.instructions: list[Instruction] = []
        self.uops: list[Uop] = []
        self._uop_place: dict[tuple[int, Strides], int] = {}  # in DRAM
        self._uop_loaded: dict[tuple[int, Strides], int] = {}  # in the scratch-pad
        self._uop_next = 0
        self.tiles = Tiles(nest)
        self.tensors = place(
            [
                ("input", Memory.INPUT, self.layouts.input.elements),
                ("weight", Memory.WEIGHT, self.layouts.weight.elements),
                *((item.access.name, Memory.ACCUMULATOR, item.elements) for item in self.layouts.added),
                ("output", Memory.OUTPUT, self.layouts.output.elements),
                (UOPS, Memory.UOP, 1),
            ],
            config,
        )
        self._bases = {tensor.name: tensor.base for tensor in self.tensors}
        self._folded: dict[str, Folded] = {}
        self._sources = {
            "input": (self.layouts.input, Memory.INPUT),
            "weight": (self.layouts.weight, Memory.WEIGHT),
            **{item.access.name: (item, Memory.ACCUMULATOR) for item in self.layouts.added},
        }

    # --- tiles --------------------------------------------------------------------------------------

    def generate(self) -> Program:
        """All instructions, in an order that means the right thing."""
        threads = list(self._iterations([self.nest.parallel] if self.nest.parallel else []))
        outer = [name for name, _ in self.nest.order if name not in (self.nest.parallel, self.inner)]
        spatial, reduction = self._split(outer)
        buffers = [self._buffers(i, len(threads)) for i in range(len(threads))]
        for tile in spatial:
            accumulators = [each["accumulate"].next() for each in buffers]
            for number, stage in enumerate(reduction):
                places = []
                for thread, each in zip(threads, buffers, strict=True):
                    starts = self.tiles.starts({**thread, **tile, **stage})
                    places.append([self._fill(role, starts, each[role]) for role in ("input", "weight")])
                for accumulator, (source, weight) in zip(accumulators, places, strict=True):
                    if number == 0:
                        self._reset(accumulator)
                    self._multiply(accumulator, source, weight)
            for thread, accumulator, each in zip(threads, accumulators, buffers, strict=True):
                self._finish_tile(accumulator, self.tiles.starts({**thread, **tile}), each)
        self.instructions.append(Finish())
        tensors = tuple(
            tensor if tensor.name != UOPS else type(tensor)(UOPS, tensor.memory, tensor.base, len(self.uops))
            for tensor in self.tensors
        )
        return Program(tuple(self.instructions), tuple(self.uops), tensors)

    def _iterations(self, levels: list[str]) -> Iterator[dict[tuple[str, str], int]]:
        loops = [(axis, level) for level in levels for axis in self.nest.level(level)]
        extents = [self.nest.tilings[axis].factor(level) for axis, level in loops]
        for indices in product(*(range(extent) for extent in extents)):
            yield dict(zip(loops, indices, strict=True))

    def _split(
        self, levels: list[str]
    ) -> tuple[list[dict[tuple[str, str], int]], list[dict[tuple[str, str], int]]]:
        """The iterations of the spatial loops, and of the reduction loops, outside the innermost level."""
        every = [(axis, level) for level in levels for axis in self.nest.level(level)]
        found = []
        for wanted in (False, True):
            loops = [loop for loop in every if (self.groups[loop[0]] == "k") == wanted]
            extents = [range(self.nest.tilings[axis].factor(level)) for axis, level in loops]
            found.append([dict(zip(loops, indices, strict=True)) for indices in product(*extents)])
        return found[0], found[1]

    def _buffers(self, thread: int, threads: int) -> dict[str, Buffer]:
        found = {}
        memories = {
            "input": (self.config.input, self.tiles.tile_elements(self.layouts.input)),
            "weight": (self.config.weight, self.tiles.tile_elements(self.layouts.weight)),
            "accumulate": (self.config.accumulator, self.tiles.tile_elements(self.layouts.output)),
            **{
                item.access.name: (self.config.accumulator, self.tiles.tile_elements(item))
                for item in self.layouts.added
            },
        }
        used: dict[str, int] = {}
        for role, (memory, size) in memories.items():
            copies = self.nest.copies.get(memory.name, 1)
            begin = used.get(memory.name, 0)
            used[memory.name] = begin + size * copies * threads
            if used[memory.name] > memory.depth:
                need = f"up to {role}, {used[memory.name]} elements are due in {memory.name}"
                raise ProgramError(f"{need}, which has {memory.depth}")
            found[role] = Buffer(begin + thread * copies * size, size, copies)
        return found

    # --- operands -----------------------------------------------------------------------------------

    def _fill(self, role: str, starts: Mapping[str, int], buffer: Buffer) -> int:
        """Load a tile, unless a buffer still holds it; its first element."""
        operand, memory = self._sources[role]
        lows = self.tiles.lows(operand, starts)
        known = buffer.find(lows)
        if known is not None:
            return known
        base = buffer.next(lows)
        for r in rectangles(self.tiles.spans(operand, lows)):
            pads = (r.pad_top, r.pad_bottom, r.pad_left, r.pad_right)
            start, dram = base + r.sram, self._bases[role] + r.dram
            self.instructions.append(Load(memory, start, dram, r.x_size, r.y_size, r.x_stride, *pads))
        return base

    # --- computing ----------------------------------------------------------------------------------

    def _loops(self) -> Folded:
        if "gemm" not in self._folded:
            loops = []
            for axis in self.nest.level(self.inner):
                strides = (
                    self.tiles.strides(self.layouts.output, axis),
                    self.tiles.strides(self.layouts.input, axis),
                    self.tiles.strides(self.layouts.weight, axis),
                )
                loops.append(Loop(self.nest.tilings[axis].size, strides))
            self._folded["gemm"] = fold(loops, self.config.limits.iterations)
        return self._folded["gemm"]

    def _multiply(self, accumulator: int, source: int, weight: int) -> None:
        folded = self._loops()
        begin = self._load_uops(folded.uops, (accumulator, source, weight))
        outer, inner = folded.outer, folded.inner
        dst, src, wgt = zip(outer.strides, inner.strides, strict=True)
        end = begin + len(folded.uops)
        self.instructions.append(Gemm(begin, end, outer.extent, inner.extent, *dst, *src, *wgt))

    def _reset(self, accumulator: int) -> None:
        begin = self._load_uops(ONE, (accumulator, 0, 0))
        size = self.tiles.tile_elements(self.layouts.output)
        self.instructions.append(Gemm(begin, begin + 1, 1, size, 0, 1, reset=True))

    def _load_uops(self, offsets: tuple[Strides, ...], at: Strides = (0, 0, 0)) -> int:
        """Where micro-ops (offsets, moved to `at`) lie in their scratch-pad, after loading them if need be.

        Offsets are told apart by identity: there are a few per program, each made once.
        """
        key = (id(offsets), at)
        loaded = self._uop_loaded.get(key)
        if loaded is not None:
            return loaded
        depth = self.config.uop.depth
        if len(offsets) > depth:
            raise ProgramError(f"a kernel of {len(offsets)} micro-ops; the memory holds {depth}")
        if self._uop_next + len(offsets) > depth:
            self._uop_loaded.clear()
            self._uop_next = 0
        if key not in self._uop_place:
            self._uop_place[key] = len(self.uops)
            dst, src, wgt = at
            self.uops.extend(Uop(dst + d, src + s, wgt + w) for d, s, w in offsets)
        begin = self._uop_next
        dram = self._bases[UOPS] + self._uop_place[key]
        self.instructions.append(Load(Memory.UOP, begin, dram, len(offsets), 1, len(offsets)))
        self._uop_loaded[key] = begin
        self._uop_next += len(offsets)
        return begin

    def _finish_tile(
        self, accumulator: int, starts: Mapping[str, int], buffers: Mapping[str, Buffer]
    ) -> None:
        """The epilogue on a tile of sums, and its store."""
        for op in self.einsum.epilogue:
            if op.kind == "add" and op.operand is not None:
                name = op.operand.name
                self._add(accumulator, self._fill(name, starts, buffers[name]), self._sources[name][0])
            elif op.kind == "shift":
                self._immediate(AluOperation.SHIFT, accumulator, op.values[0])
            elif op.kind == "clip":
                self._immediate(AluOperation.MAX, accumulator, op.values[0])
                self._immediate(AluOperation.MIN, accumulator, op.values[1])
        lows = self.tiles.lows(self.layouts.output, starts)
        for r in rectangles(self.tiles.spans(self.layouts.output, lows)):
            dram = self._bases["output"] + r.dram
            self.instructions.append(Store(accumulator + r.sram, dram, r.x_size, r.y_size, r.x_stride))

    def _immediate(self, operation: AluOperation, accumulator: int, value: int | None) -> None:
        """One operation on every sum of a tile; None is no bound, so nothing."""
        if value is not None:
            begin = self._load_uops(ONE, (accumulator, accumulator, 0))
            size = self.tiles.tile_elements(self.layouts.output)
            self.instructions.append(Alu(operation, begin, begin + 1, 1, size, 0, 1, 0, 1, value))

    def _add(self, accumulator: int, added: int, operand: Layout) -> None:
        """Add a tile in the accumulators' scratch-pad to the sums."""
        folded = self._sums(operand)
        begin = self._load_uops(folded.uops, (accumulator, added, 0))
        outer, inner = folded.outer, folded.inner
        strides = (outer.strides[0], inner.strides[0], outer.strides[1], inner.strides[1])
        extents = (outer.extent, inner.extent)
        self.instructions.append(Alu(AluOperation.ADD, begin, begin + len(folded.uops), *extents, *strides))

    def _sums(self, operand: Layout) -> Folded:
        """The loops over a tile of sums (dst) and over what is added to them (src)."""
        name = operand.access.name
        if name not in self._folded:
            lengths = self.tiles.lengths(self.layouts.output)
            loops = []
            for i, (dim, length) in enumerate(zip(self.layouts.output.dims, lengths, strict=True)):
                axes = [axis.name for axis in self.einsum.axes if self.tiles.moves(axis.name, dim)]
                source = sum(self.tiles.strides(operand, axis) for axis in axes)
                loops.append(Loop(length, (prod(lengths[i + 1 :]), source, 0)))
            self._folded[name] = fold(loops, self.config.limits.iterations)
        return self._folded[name]


def generate(nest: Nest, config: VtaConfig) -> Program:
    """The program of a nest, without tokens.

    Raises ProgramError when the machine cannot run it: the constraints should have excluded the nest.
    """
    return Generator(nest, config).generate()
