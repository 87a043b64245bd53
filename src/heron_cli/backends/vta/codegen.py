"""Nest → instruction stream: tiles in scratch-pads, loop nests folded into GEMM and ALU instructions.

The nest already fixes every number, so nothing is lowered through TVM here: tiles are walked in Python
(`walk`), and tokens are inserted afterwards (`sync`).
"""

from __future__ import annotations

from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.isa import Alu, AluOperation, Finish, Gemm, Instruction, Load, Memory, Store, Uop
from heron_cli.backends.vta.layout import Layouts
from heron_cli.backends.vta.loops import Folded, Strides
from heron_cli.backends.vta.program import UOPS, Program, Tensor, place
from heron_cli.backends.vta.transfers import Rectangle, rectangles
from heron_cli.backends.vta.walk import Walk
from heron_cli.schedule.nest import Nest

_MEMORIES = {"input": Memory.INPUT, "weight": Memory.WEIGHT, "output": Memory.OUTPUT}


class Generator(Walk):
    """Generates the program of one nest, without tokens. Use `generate`."""

    def __init__(self, nest: Nest, config: VtaConfig) -> None:
        super().__init__(nest, config, Layouts.of(nest, config))
        self.instructions: list[Instruction] = []
        self.uops: list[Uop] = []
        self._uop_place: dict[tuple[int, Strides], int] = {}  # in DRAM
        stored = [name for name in self.operands if name != "output"]
        sizes = [(n, self._kind(n), self.operands[n].elements) for n in (*stored, "output")]
        self.tensors = place([*sizes, (UOPS, Memory.UOP, 1)], config)
        self._bases = {tensor.name: tensor.base for tensor in self.tensors}

    def program(self) -> Program:
        """All instructions. Raises ProgramError, see `Walk.walk`."""
        self.walk()
        tensors = tuple(
            tensor if tensor.name != UOPS else Tensor(UOPS, tensor.memory, tensor.base, len(self.uops))
            for tensor in self.tensors
        )
        return Program((*self.instructions, Finish()), tuple(self.uops), tensors)

    def _kind(self, role: str) -> Memory:
        return _MEMORIES.get(role, Memory.ACCUMULATOR)

    def _rectangles(self, role: str, index: int) -> list[Rectangle]:
        operand = self.operands[role]
        return list(rectangles(self.tiles.spans(operand, self.lows[role][index])))

    def load(self, role: str, base: int, index: int) -> None:
        """One instruction for every rectangle."""
        memory, dram = self._kind(role), self._bases[role]
        for r in self._rectangles(role, index):
            pads = (r.pad_top, r.pad_bottom, r.pad_left, r.pad_right)
            moved = Load(memory, base + r.sram, dram + r.dram, r.x_size, r.y_size, r.x_stride, *pads)
            self.instructions.append(moved)

    def load_uops(self, kernel: Folded, at: Strides, begin: int) -> None:
        """One row; micro-ops that were loaded before lie in DRAM already."""
        key = (id(kernel), at)
        if key not in self._uop_place:
            self._uop_place[key] = len(self.uops)
            self.uops.extend(Uop(*row) for row in (kernel.offsets + at).tolist())
        dram = self._bases[UOPS] + self._uop_place[key]
        self.instructions.append(Load(Memory.UOP, begin, dram, kernel.count, 1, kernel.count))

    def reset(self, begin: int, sums: int) -> None:
        """One GEMM instruction over the whole tile, which is compact."""
        self.instructions.append(Gemm(begin, begin + 1, 1, self.sums, 0, 1, reset=True))

    def multiply(self, begin: int, kernel: Folded, places: Strides) -> None:
        """One GEMM instruction."""
        outer, inner = kernel.outer, kernel.inner
        dst, src, wgt = zip(outer.strides, inner.strides, strict=True)
        end = begin + kernel.count
        self.instructions.append(Gemm(begin, end, outer.extent, inner.extent, *dst, *src, *wgt))

    def immediate(self, begin: int, operation: AluOperation, sums: int, value: int) -> None:
        """One ALU instruction over the whole tile."""
        self.instructions.append(Alu(operation, begin, begin + 1, 1, self.sums, 0, 1, 0, 1, value))

    def add(self, begin: int, kernel: Folded, sums: int) -> None:
        """One ALU instruction."""
        outer, inner = kernel.outer, kernel.inner
        strides = (outer.strides[0], inner.strides[0], outer.strides[1], inner.strides[1])
        extents = (outer.extent, inner.extent)
        self.instructions.append(Alu(AluOperation.ADD, begin, begin + kernel.count, *extents, *strides))

    def store(self, sums: int, index: int) -> None:
        """One instruction for every rectangle."""
        for r in self._rectangles("output", index):
            dram = self._bases["output"] + r.dram
            self.instructions.append(Store(sums + r.sram, dram, r.x_size, r.y_size, r.x_stride))


def generate(nest: Nest, config: VtaConfig) -> Program:
    """The program of a nest, without tokens.

    Raises ProgramError when the machine cannot run it: the constraints should have excluded the nest.
    """
    return Generator(nest, config).program()
