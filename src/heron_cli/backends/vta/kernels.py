"""Which micro-ops a GEMM or ALU instruction executes: what the scratch-pad holds when its turn comes.

Micro-ops are loaded and executed by one module in its order, so this is known without running anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.errors import ProgramError
from heron_cli.backends.vta.isa import Alu, Gemm, Load, Memory
from heron_cli.backends.vta.program import Program

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Kernel:
    """A sequence of micro-ops, `rows` [n, 3] of (dst, src, wgt). One object for equal ones of a program."""

    rows: Rows


def kernels(program: Program, config: VtaConfig) -> list[Kernel | None]:
    """The micro-ops of every instruction; None where it has none.

    Raises:
        ProgramError: an instruction executes micro-ops that were never loaded.
    """
    table = np.array([(uop.dst, uop.src, uop.wgt) for uop in program.uops], np.int64).reshape(-1, 3)
    memory = np.zeros((config.uop.depth, 3), np.int64)
    loaded = np.zeros(config.uop.depth, bool)
    ranges: dict[tuple[int, int], Kernel] = {}  # what is known of the memory as it is
    known: dict[bytes, Kernel] = {}
    found: list[Kernel | None] = []
    for index, item in enumerate(program.instructions):
        kernel = None
        if isinstance(item, Load) and item.memory is Memory.UOP:
            tensor = program.accessed(item)
            offset = item.dram_base - tensor.base if tensor else 0
            rows = table[offset : offset + item.x_size]
            begin = item.sram_base
            if tensor is None or len(rows) != item.x_size or begin + item.x_size > len(memory):
                raise ProgramError("loads micro-ops from outside their table or to outside the memory", index)
            memory[begin : begin + item.x_size] = rows
            loaded[begin : begin + item.x_size] = True
            ranges.clear()
        elif isinstance(item, Gemm | Alu):
            span = item.uop_begin, item.uop_end
            kernel = ranges.get(span)
            if kernel is None:
                kernel = ranges[span] = _kernel(memory, loaded, span, index, known)
        found.append(kernel)
    return found


def _kernel(
    memory: Rows, loaded: NDArray[np.bool_], span: tuple[int, int], index: int, known: dict[bytes, Kernel]
) -> Kernel:
    begin, end = span
    if not loaded[begin:end].all() or end > len(loaded):
        missing = begin + int(np.argmin(loaded[begin:end])) if end <= len(loaded) else len(loaded)
        raise ProgramError(f"executes micro-op {missing}, which was never loaded", index)
    rows = memory[begin:end].copy()
    rows.flags.writeable = False
    return known.setdefault(rows.tobytes(), Kernel(rows))
