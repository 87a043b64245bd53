"""The way through a nest's tiles: which operations follow each other, on which parts of the scratch-pads.

Two readers share it: `codegen` makes instructions of the operations, `cycles` only their time. Everything is
an array over all of a program, since walking in Python costs more than what is found. The order is, with
spatial tiles outside, then stages of the reduction, then virtual threads:

    for each tile:
        for each stage:
            for each thread: fill input, fill weight
            for each thread: reset (in the first stage), multiply
        for each thread: the epilogue's steps, store

A fill loads a tile unless a buffer holds it. What uses micro-ops (reset, multiply, the epilogue's steps; a
*use*, numbered in this order) loads them unless they are in their memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from heron_cli.backends.vta.buffers import Held, rotate, stack
from heron_cli.backends.vta.config import Scratchpad, VtaConfig
from heron_cli.backends.vta.errors import ProgramError
from heron_cli.backends.vta.isa import AluOperation
from heron_cli.backends.vta.layout import Layout, Layouts
from heron_cli.backends.vta.loops import ONE, Folded, Loop, fold
from heron_cli.backends.vta.tiles import Tiles
from heron_cli.backends.vta.visits import Visits
from heron_cli.schedule.nest import Nest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

RESET, MULTIPLY = 0, 1
"""The uses of a visit; the epilogue's steps follow, in their order."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the epilogue: an operation with an immediate, or the addition of an operand's tile."""

    operation: AluOperation
    value: int | None = None
    operand: str | None = None
    kernel: int = 0


@dataclass(frozen=True, slots=True)
class Uses:
    """What executes micro-ops, in program order, [uses]."""

    kernel: Numbers  # which of the walk's kernels
    at: Numbers  # what its micro-ops are moved by, [uses, 3]
    step: Numbers  # RESET, MULTIPLY, or 2 + a step of the epilogue
    unit: Numbers  # which tile and thread: tile * threads + thread
    visit: Numbers  # of a multiplication
    begins: Numbers  # where its micro-ops lie in their memory
    missing: Flags  # whether they must be loaded there first


class Walk:
    """The operations of one nest. Places and sizes are in elements.

    `lows`, `fills` and `bases` are by operand: the first block of a tile in every dimension, what the buffers
    hold, and the places of tiles; of input and weight by visit, of the others by unit (tile and thread).

    Raises ProgramError when the machine cannot run it: the constraints should have excluded the nest.
    """

    def __init__(self, nest: Nest, config: VtaConfig, layouts: Layouts) -> None:
        self.nest, self.config = nest, config
        self.tiles = Tiles(nest)
        self.visits = Visits(nest, self.tiles)
        self.operands: dict[str, Layout] = {
            "input": layouts.input,
            "weight": layouts.weight,
            "output": layouts.output,
            **{item.access.name: item for item in layouts.added},
        }
        self.sums = self.tiles.tile_elements(layouts.output)
        self.kernels = [ONE, self._products()]
        self.epilogue = self._epilogue()
        self.lows: dict[str, Numbers] = {}
        self.fills: dict[str, Held] = {}
        self._fill()
        self.uses = self._uses()

    # --- tiles in buffers ---------------------------------------------------------------------------

    def memory(self, name: str) -> Scratchpad:
        """Where an operand's tiles live."""
        return {"input": self.config.input, "weight": self.config.weight}.get(name, self.config.accumulator)

    def _fill(self) -> None:
        used: dict[str, int] = {}
        threads = self.visits.shape[2]
        for name, operand in self.operands.items():
            memory, size = self.memory(name), self.tiles.tile_elements(operand)
            copies = self.nest.copies.get(memory.name, 1)
            begin = used.get(memory.name, 0)
            used[memory.name] = begin + size * copies * threads
            if used[memory.name] > memory.depth:
                need = f"up to {name}, {used[memory.name]} elements are due in {memory.name}"
                raise ProgramError(f"{need}, which has {memory.depth}")
            lows = self.visits.lows(operand)
            if name not in ("input", "weight"):
                lows = lows[:, :1]
            self.lows[name] = lows.reshape(-1, lows.shape[-1])
            # every unit has sums of its own
            numbers = np.arange(len(self.lows[name])) if name == "output" else _numbers(self.lows[name])
            each = [rotate(numbers[thread::threads], copies) for thread in range(threads)]
            turns = np.stack([held.places + copies * i for i, held in enumerate(each)], axis=1)
            missing = np.stack([held.missing for held in each], axis=1)
            self.fills[name] = Held(begin + size * turns.reshape(-1), missing.reshape(-1))

    # --- what executes micro-ops --------------------------------------------------------------------

    def _uses(self) -> Uses:
        tiles, stages, threads = self.visits.shape
        visits = np.arange(tiles * stages * threads)
        units = visits // (stages * threads) * threads + visits % threads
        first = visits // threads % stages == 0
        sums = self.fills["output"].places
        none = np.zeros(len(sums), np.int64)
        source, weight = self.fills["input"].places, self.fills["weight"].places
        each = [np.stack([sums[units], 0 * visits, 0 * visits], 1), np.stack([sums[units], source, weight], 1)]
        after = [
            np.stack([sums, self.fills[step.operand].places if step.operand else sums, none], 1)
            for step in self.epilogue
        ]
        # [tiles, uses of a tile]: those of its visits, then those of its epilogues
        width = stages * threads * 2

        def joined(visiting: list[Numbers], finishing: list[Numbers]) -> Numbers:
            inner = np.stack(visiting, axis=1).reshape(tiles, width, -1)
            outer = [] if not finishing else [np.stack(finishing, axis=1).reshape(tiles, -1, inner.shape[-1])]
            found: Numbers = np.concatenate([inner, *outer], axis=1)
            return found.reshape(-1, inner.shape[-1])

        every = range(len(self.epilogue))
        present = joined([first, first | True], [none == 0 for _ in every])[:, 0].astype(bool)
        table = joined(
            [np.stack([0 * visits, visits * 0 + RESET, units, visits], 1),
             np.stack([0 * visits + 1, visits * 0 + MULTIPLY, units, visits], 1)],
            [np.stack([none + self.epilogue[i].kernel, none + 2 + i, np.arange(len(sums)), none], 1)
             for i in every],
        )[present]  # fmt: skip
        kernel, step, unit, visit = table.T
        at = joined(each, after)[present]
        counts = np.array([each.count for each in self.kernels])
        depth = self.config.uop.depth
        if counts.max() > depth:
            raise ProgramError(f"a kernel of {counts.max()} micro-ops; the memory holds {depth}")
        radix = 1 << 16
        contents = ((kernel * radix + at[:, 0]) * radix + at[:, 1]) * radix + at[:, 2]
        held = stack(contents, counts[kernel], depth)
        return Uses(kernel, at, step, unit, visit, held.places, held.missing)

    def _products(self) -> Folded:
        """The loops of a tile's products."""
        loops = []
        for axis in self.nest.order[-1][1]:
            output, source, weight = (
                self.tiles.strides(self.operands[name], axis) for name in ("output", "input", "weight")
            )
            loops.append(Loop(self.nest.tilings[axis].size, (output, source, weight)))
        return fold(loops, self.config.limits.iterations)

    def _epilogue(self) -> list[Step]:
        found = []
        for op in self.nest.einsum.epilogue:
            if op.kind == "add" and op.operand is not None:
                self.kernels.append(self._added(op.operand.name))
                kernel = len(self.kernels) - 1
                found.append(Step(AluOperation.ADD, operand=op.operand.name, kernel=kernel))
            elif op.kind == "shift":
                found.append(Step(AluOperation.SHIFT, op.values[0]))
            elif op.kind == "clip":
                bounds = zip((AluOperation.MAX, AluOperation.MIN), op.values, strict=True)
                found += [Step(operation, bound) for operation, bound in bounds if bound is not None]
        return found

    def _added(self, name: str) -> Folded:
        """The loops over a tile of sums (dst) and over what is added to them (src)."""
        output = self.operands["output"]
        lengths = self.tiles.lengths(output)
        loops = []
        for i, (dim, length) in enumerate(zip(output.dims, lengths, strict=True)):
            axes = [axis.name for axis in self.nest.einsum.axes if self.tiles.moves(axis.name, dim)]
            source = sum(self.tiles.strides(self.operands[name], axis) for axis in axes)
            loops.append(Loop(length, (prod(lengths[i + 1 :]), source, 0)))
        return fold(loops, self.config.limits.iterations)


def _numbers(lows: Numbers) -> Numbers:
    """A number for every row, equal for equal rows."""
    least = lows.min(axis=0)
    radix = lows.max(axis=0) - least + 1
    found: Numbers = (lows - least) @ np.cumprod([1, *radix[:-1]])
    return found
