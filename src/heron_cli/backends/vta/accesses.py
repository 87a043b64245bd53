"""The exact scratch-pad elements that every instruction reads and writes.

Every scratch-pad but those of the compute module itself has one module that writes and one that reads it:
inputs and weights go from load to compute, outputs from compute to store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heron_cli.backends.vta.checks import scratchpad
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.errors import ProgramError
from heron_cli.backends.vta.isa import Alu, Finish, Gemm, Instruction, Load, Memory, Store
from heron_cli.backends.vta.kernels import Kernel, kernels
from heron_cli.backends.vta.program import Program

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Loops = tuple[tuple[int, int], tuple[int, int]]  # (iterations, factor), outer and inner

Runs = tuple[tuple[int, int], ...]
"""Elements as [start, stop), ascending, with a gap between any two."""

SHARED = (Memory.INPUT, Memory.WEIGHT, Memory.OUTPUT)
"""Scratch-pads that two modules share."""


@dataclass(frozen=True, eq=False, slots=True)
class Access:
    """What one instruction reads before it ends and writes; NARROW counts as ACCUMULATOR.

    Instructions that touch the same elements share one object.
    """

    reads: tuple[tuple[Memory, Runs], ...] = ()
    writes: tuple[tuple[Memory, Runs], ...] = ()


def elements(runs: Runs) -> slice | NDArray[np.int64]:
    """An index that selects the elements of a numpy array."""
    if len(runs) == 1:
        return slice(*runs[0])
    return np.concatenate([np.arange(start, stop) for start, stop in runs])


def accesses(program: Program, config: VtaConfig) -> list[Access]:
    """The accesses of every instruction.

    Raises:
        ProgramError: an index outside its memory, or micro-ops that were never loaded.
    """
    known: dict[tuple[object, ...], Access] = {}
    found = []
    for index, (item, kernel) in enumerate(zip(program.instructions, kernels(program, config), strict=True)):
        try:
            found.append(_access(item, kernel, config, known))
        except IndexError as error:
            raise ProgramError(str(error), index) from None
    return found


def _access(
    item: Instruction, kernel: Kernel | None, config: VtaConfig, known: dict[tuple[object, ...], Access]
) -> Access:
    key: tuple[object, ...]
    match item:
        case Load() | Store():
            key = (item.__class__, item.memory, item.sram_base, item.sram_size)
        case Gemm() | Alu():
            key = (kernel, item.uop_begin, *loops_key(item))
        case Finish():
            key = ()
    access = known.get(key)
    if access is None:
        access = known[key] = _made(item, kernel, config)
    return access


def _made(item: Instruction, kernel: Kernel | None, config: VtaConfig) -> Access:
    match item:
        case Load():
            memory = Memory.ACCUMULATOR if item.memory is Memory.NARROW else item.memory
            return Access(writes=((memory, _range(item, config)),))
        case Store():
            return Access(reads=((Memory.OUTPUT, _range(item, config)),))
        case Finish():
            return Access()
    assert kernel is not None
    return _computed(item, kernel, config)


def loops_key(item: Gemm | Alu) -> tuple[object, ...]:
    """What decides, together with the micro-ops, which elements an instruction touches."""
    if isinstance(item, Gemm):
        return (
            item.reset,
            item.iter_out,
            item.iter_in,
            item.dst_out,
            item.dst_in,
            item.src_out,
            item.src_in,
            item.wgt_out,
            item.wgt_in,
        )
    return (
        item.immediate is None,
        item.iter_out,
        item.iter_in,
        item.dst_out,
        item.dst_in,
        item.src_out,
        item.src_in,
    )


def _range(transfer: Load | Store, config: VtaConfig) -> Runs:
    begin, end = transfer.sram_base, transfer.sram_base + transfer.sram_size
    memory = scratchpad(transfer.memory, config)
    if end > memory.depth:
        raise IndexError(f"{memory.name} element {end - 1}; it has {memory.depth:,}")
    return ((begin, end),)


def _computed(item: Gemm | Alu, kernel: Kernel, config: VtaConfig) -> Access:
    rows = kernel.rows
    uops: tuple[Memory, Runs] = (Memory.UOP, ((item.uop_begin, item.uop_end),))
    dst = _reached(rows[:, 0], _loops(item, "dst"), Memory.ACCUMULATOR, config)
    writes = ((Memory.ACCUMULATOR, dst), (Memory.OUTPUT, dst))
    if isinstance(item, Alu):
        reads = [uops, (Memory.ACCUMULATOR, dst)]
        if item.immediate is None:
            reads.append(
                (Memory.ACCUMULATOR, _reached(rows[:, 1], _loops(item, "src"), Memory.ACCUMULATOR, config))
            )
        return Access(tuple(reads), writes)
    if item.reset:
        return Access((uops,), writes)
    src = _reached(rows[:, 1], _loops(item, "src"), Memory.INPUT, config)
    wgt = _reached(rows[:, 2], _loops(item, "wgt"), Memory.WEIGHT, config)
    return Access((uops, (Memory.INPUT, src), (Memory.WEIGHT, wgt), (Memory.ACCUMULATOR, dst)), writes)


def _loops(item: Gemm | Alu, role: str) -> Loops:
    return (
        (item.iter_out, getattr(item, f"{role}_out")),
        (item.iter_in, getattr(item, f"{role}_in")),
    )


def _reached(bases: NDArray[np.int64], loops: Loops, memory: Memory, config: VtaConfig) -> Runs:
    pad = scratchpad(memory, config)
    highest = int(bases.max()) + sum((count - 1) * factor for count, factor in loops)
    if highest >= pad.depth:
        raise IndexError(f"{pad.name} element {highest}; it has {pad.depth:,}")
    touched = np.zeros(pad.depth, bool)
    touched[bases] = True
    for count, factor in loops:
        if factor:
            touched = _repeated(touched, count, factor)
    edges = np.flatnonzero(np.diff(touched, prepend=False, append=False)).tolist()
    return tuple(zip(edges[::2], edges[1::2], strict=True))


def _repeated(touched: NDArray[np.bool_], count: int, factor: int) -> NDArray[np.bool_]:
    """`touched` or'ed with its shifts by 1 to count - 1 times `factor`, in a logarithmic number of steps."""
    done = 1
    while done < count:
        step = min(done, count - done)
        shifted = np.zeros_like(touched)
        shifted[step * factor :] = touched[: len(touched) - step * factor]
        touched = touched | shifted
        done += step
    return touched
