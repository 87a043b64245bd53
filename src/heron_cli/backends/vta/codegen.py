"""Nest → instruction stream: tiles in scratch-pads, loop nests folded into GEMM and ALU instructions.

The nest already fixes every number, so nothing is lowered through TVM here: `walk` finds the operations, and
tokens are inserted afterwards (`sync`).
"""

from __future__ import annotations

from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.isa import Alu, AluOperation, Finish, Gemm, Instruction, Load, Memory, Store, Uop
from heron_cli.backends.vta.layout import Layouts
from heron_cli.backends.vta.program import UOPS, Program, Tensor, place
from heron_cli.backends.vta.transfers import Rectangle, rectangles
from heron_cli.backends.vta.walk import MULTIPLY, RESET, Walk
from heron_cli.schedule.nest import Nest

_MEMORIES = {"input": Memory.INPUT, "weight": Memory.WEIGHT, "output": Memory.OUTPUT}


class Generator:
    """Makes the instructions of one nest's walk, without tokens. Use `generate`."""

    def __init__(self, nest: Nest, config: VtaConfig) -> None:
        self.walk = Walk(nest, config, Layouts.of(nest, config))
        self.instructions: list[Instruction] = []
        self.uops: list[Uop] = []
        self._uop_place: dict[tuple[int, ...], int] = {}  # in DRAM
        operands = self.walk.operands
        stored = [name for name in operands if name != "output"]
        sizes = [(n, self._kind(n), operands[n].elements) for n in (*stored, "output")]
        self.tensors = place([*sizes, (UOPS, Memory.UOP, 1)], config)
        self._bases = {tensor.name: tensor.base for tensor in self.tensors}

    def program(self) -> Program:
        """All instructions, in the walk's order."""
        walk, use = self.walk, 0
        tiles, stages, threads = walk.visits.shape
        for tile in range(tiles):
            for visit in range(tile * stages * threads, (tile + 1) * stages * threads, threads):
                for each in range(visit, visit + threads):
                    self._fill("input", each)
                    self._fill("weight", each)
                uses = threads * (2 if visit == tile * stages * threads else 1)
                for number in range(use, use + uses):
                    self._execute(number)
                use += uses
            for unit in range(tile * threads, (tile + 1) * threads):
                for number in range(use, use + len(walk.epilogue)):
                    self._execute(number)
                use += len(walk.epilogue)
                self._store(unit)
        tensors = tuple(
            tensor if tensor.name != UOPS else Tensor(UOPS, tensor.memory, tensor.base, len(self.uops))
            for tensor in self.tensors
        )
        return Program((*self.instructions, Finish()), tuple(self.uops), tensors)

    def _kind(self, name: str) -> Memory:
        return _MEMORIES.get(name, Memory.ACCUMULATOR)

    def _rectangles(self, name: str, index: int) -> list[Rectangle]:
        lows: list[int] = self.walk.lows[name][index].tolist()
        spans = self.walk.tiles.spans(self.walk.operands[name], lows)
        return list(rectangles(spans, self.walk.config.limits.dma_elements))

    def _fill(self, name: str, index: int) -> None:
        """One instruction for every rectangle, unless the tile is there."""
        if not self.walk.fills[name].missing[index]:
            return
        memory, dram = self._kind(name), self._bases[name]
        base = int(self.walk.fills[name].places[index])
        for r in self._rectangles(name, index):
            pads = (r.pad_top, r.pad_bottom, r.pad_left, r.pad_right)
            moved = Load(memory, base + r.sram, dram + r.dram, r.x_size, r.y_size, r.x_stride, *pads)
            self.instructions.append(moved)

    def _store(self, unit: int) -> None:
        """One instruction for every rectangle."""
        base = int(self.walk.fills["output"].places[unit])
        for r in self._rectangles("output", unit):
            dram = self._bases["output"] + r.dram
            self.instructions.append(Store(base + r.sram, dram, r.x_size, r.y_size, r.x_stride))

    def _execute(self, number: int) -> None:
        """The instruction of a use, after what it needs: a tile to be added, micro-ops."""
        uses = self.walk.uses
        step, kernel = int(uses.step[number]), self.walk.kernels[uses.kernel[number]]
        after = None if step in (RESET, MULTIPLY) else self.walk.epilogue[step - 2]
        if after is not None and after.operand is not None:
            self._fill(after.operand, int(uses.unit[number]))
        begin = int(uses.begins[number])
        end = begin + kernel.count
        if uses.missing[number]:
            self._load_uops(int(uses.kernel[number]), tuple(uses.at[number].tolist()), begin)
        outer, inner = kernel.outer, kernel.inner
        dst, src, wgt = zip(outer.strides, inner.strides, strict=True)
        extents = (outer.extent, inner.extent)
        if step == RESET:  # the whole tile, which is compact
            self.instructions.append(Gemm(begin, end, 1, self.walk.sums, 0, 1, reset=True))
        elif after is None:
            self.instructions.append(Gemm(begin, end, *extents, *dst, *src, *wgt))
        elif after.operand is not None:
            self.instructions.append(Alu(after.operation, begin, end, *extents, *dst, *src))
        else:
            whole = (1, self.walk.sums, 0, 1, 0, 1)
            self.instructions.append(Alu(after.operation, begin, end, *whole, after.value))

    def _load_uops(self, kernel: int, at: tuple[int, ...], begin: int) -> None:
        """One row; micro-ops that were loaded before lie in DRAM already."""
        rows = self.walk.kernels[kernel].offsets
        if (kernel, *at) not in self._uop_place:
            self._uop_place[kernel, *at] = len(self.uops)
            self.uops.extend(Uop(*row) for row in (rows + at).tolist())
        dram = self._bases[UOPS] + self._uop_place[kernel, *at]
        self.instructions.append(Load(Memory.UOP, begin, dram, len(rows), 1, len(rows)))


def generate(nest: Nest, config: VtaConfig) -> Program:
    """The program of a nest, without tokens.

    Raises ProgramError when the machine cannot run it: the constraints should have excluded the nest.
    """
    return Generator(nest, config).program()
