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
from heron_cli.backends.vta.loops import Folded, Loop, fold
from heron_cli.backends.vta.program import UOPS, Program, place
from heron_cli.backends.vta.tiles import Tiles
from heron_cli.backends.vta.transfers import rectangles
from heron_cli.schedule.nest import Nest


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
        self._uop_place: dict[tuple[Uop, ...], int] = {}  # in DRAM
        self._uop_loaded: dict[tuple[Uop, ...], int] = {}  # in the scratch-pad
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
        spans = tuple(self.tiles.spans(operand, starts))
        known = buffer.find(spans)
        if known is not None:
            return known
        base = buffer.next(spans)
        for r in rectangles(spans):
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
        kernel = tuple(Uop(accumulator + d, source + s, weight + w) for d, s, w in folded.uops)
        begin = self._load_uops(kernel)
        outer, inner = folded.outer, folded.inner
        self.instructions.append(
            Gemm(begin, begin + len(kernel), outer.extent, inner.extent, outer.strides[0], inner.strides[0],
                 outer.strides[1], inner.strides[1], outer.strides[2], inner.strides[2])
        )  # fmt: skip

    def _reset(self, accumulator: int) -> None:
        begin = self._load_uops((Uop(accumulator),))
        size = self.tiles.tile_elements(self.layouts.output)
        self.instructions.append(Gemm(begin, begin + 1, 1, size, 0, 1, reset=True))

    def _load_uops(self, kernel: tuple[Uop, ...]) -> int:
        """Where a kernel of micro-ops lies in its scratch-pad, loading it if it is not there."""
        loaded = self._uop_loaded.get(kernel)
        if loaded is not None:
            return loaded
        if len(kernel) > self.config.uop.depth:
            raise ProgramError(
                f"a kernel of {len(kernel)} micro-ops; the memory holds {self.config.uop.depth}"
            )
        if self._uop_next + len(kernel) > self.config.uop.depth:
            self._uop_loaded.clear()
            self._uop_next = 0
        if kernel not in self._uop_place:
            self._uop_place[kernel] = len(self.uops)
            self.uops.extend(kernel)
        begin = self._uop_next
        dram = self._bases[UOPS] + self._uop_place[kernel]
        self.instructions.append(Load(Memory.UOP, begin, dram, len(kernel), 1, len(kernel)))
        self._uop_loaded[kernel] = begin
        self._uop_next += len(kernel)
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
        for r in rectangles(self.tiles.spans(self.layouts.output, starts)):
            dram = self._bases["output"] + r.dram
            self.instructions.append(Store(accumulator + r.sram, dram, r.x_size, r.y_size, r.x_stride))

    def _immediate(self, operation: AluOperation, accumulator: int, value: int | None) -> None:
        """One operation on every sum of a tile; None is no bound, so nothing."""
        if value is not None:
            begin = self._load_uops((Uop(accumulator, accumulator),))
            size = self.tiles.tile_elements(self.layouts.output)
            self.instructions.append(Alu(operation, begin, begin + 1, 1, size, 0, 1, 0, 1, value))

    def _add(self, accumulator: int, added: int, operand: Layout) -> None:
        """Add a tile in the accumulators' scratch-pad to the sums."""
        lengths = self.tiles.lengths(self.layouts.output)
        loops = []
        for i, (dim, length) in enumerate(zip(self.layouts.output.dims, lengths, strict=True)):
            axes = [axis.name for axis in self.einsum.axes if self.tiles.moves(axis.name, dim)]
            source = sum(self.tiles.strides(operand, axis) for axis in axes)
            loops.append(Loop(length, (prod(lengths[i + 1 :]), source, 0)))
        folded = fold(loops, self.config.limits.iterations)
        kernel = tuple(Uop(accumulator + d, added + s) for d, s, _ in folded.uops)
        begin = self._load_uops(kernel)
        outer, inner = folded.outer, folded.inner
        strides = (outer.strides[0], inner.strides[0], outer.strides[1], inner.strides[1])
        extents = (outer.extent, inner.extent)
        self.instructions.append(Alu(AluOperation.ADD, begin, begin + len(kernel), *extents, *strides))


def generate(nest: Nest, config: VtaConfig) -> Program:
    """The program of a nest, without tokens.

    Raises ProgramError when the machine cannot run it: the constraints should have excluded the nest.
    """
    return Generator(nest, config).generate()
