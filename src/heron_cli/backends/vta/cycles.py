"""From an assignment to its modelled cycles, without making a program: for searching and sampling at large.

The result is that of `timing` on the whole program, to the cycle (tests/backends/vta/test_cycles.py), in a
fraction of the time: tiles that are alike are timed once, nothing is encoded, and tokens need not be found,
because the walk knows who uses which buffer.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from heron_cli.backends.vta.buffers import filled, previous
from heron_cli.backends.vta.checks import dram_bytes
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.hazards import issue_cycles
from heron_cli.backends.vta.isa import Memory
from heron_cli.backends.vta.layout import Layouts
from heron_cli.backends.vta.loops import Folded
from heron_cli.backends.vta.overlap import NONE, Computation, finish
from heron_cli.backends.vta.timing import row_cycles
from heron_cli.backends.vta.transfers import alike
from heron_cli.backends.vta.visits import padding
from heron_cli.backends.vta.walk import MULTIPLY, RESET, Step, Walk
from heron_cli.schedule.nest import Nest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.schedule.task import Variant
    from heron_cli.space import Rows

    Numbers = NDArray[np.int64]

_MEMORIES = {"input": Memory.INPUT, "weight": Memory.WEIGHT, "output": Memory.OUTPUT}
_STREAMED = ("input", "weight")  # what the load module loads, in the order within a visit


class CycleModel:
    """The cycles of one variant's assignments."""

    def __init__(self, variant: Variant, config: VtaConfig) -> None:
        self._variant, self._config = variant, config
        self._layouts: Layouts | None = None

    def of(self, rows: Rows) -> Iterator[int]:
        """Cycles of each row of knob values, [n, knobs].

        Raises InputError for a row that violates a constraint, ProgramError as `Walk` does.
        """
        for nest in self._variant.nests(rows):
            if self._layouts is None:
                self._layouts = Layouts.of(nest, self._config)  # of the einsum and the intrinsic alone
            yield cycles(Walk(nest, self._config, self._layouts))


def program_cycles(nest: Nest, config: VtaConfig) -> int:
    """Modelled cycles of a nest's program. Raises ProgramError as `Walk` does."""
    return cycles(Walk(nest, config, Layouts.of(nest, config)))


def cycles(walk: Walk) -> int:
    """Modelled cycles of a walk's program."""
    return _Times(walk).cycles()


class _Times:
    """The times of a walk's operations, and which of the other modules' each waits for."""

    def __init__(self, walk: Walk) -> None:
        self.walk, self.timing = walk, walk.config.timing
        uses = walk.uses
        self.multiplied = np.flatnonzero(uses.step == MULTIPLY)  # the use of each visit
        # computations: those of every use, in columns: load of a tile to be added, of micro-ops, the use
        self.present = np.ones((len(uses.step), 3), bool)
        self.present[:, 0] = self._adds()
        self.present[:, 1] = uses.missing
        number = np.cumsum(self.present).reshape(self.present.shape) - 1
        self.number = number[:, 2]  # of the use itself

    def cycles(self) -> int:
        """Modelled cycles."""
        loads, loading = self._loads()
        stores, storing = self._stores()
        computations = self._computations(loading, storing)
        last = Computation(0, 0, 0, len(loads[0]) - 1, len(stores[0]) - 1)  # Finish
        return finish(
            list(zip(*loads, strict=True)),
            [*zip(*computations, strict=True), last],
            list(zip(*stores, strict=True)),
            self.timing.decode_cycles,
            self.timing.dram_latency,
        )

    # --- transfers ----------------------------------------------------------------------------------

    def _loads(self) -> tuple[list[list[int]], Numbers]:
        """The load module's operations, in columns; for every visit the load that it waits for."""
        fills = [self.walk.fills[name] for name in _STREAMED]
        missing = np.stack([held.missing for held in fills], axis=1)
        number = np.cumsum(missing).reshape(missing.shape) - 1
        # a buffer is free when the last product that read it is done
        readers = np.append(self.number[self.multiplied], NONE)
        waits = np.stack([readers[previous(held.places)] for held in fills], axis=1)
        costs = np.stack([self._transfers(name) for name in _STREAMED], axis=1)
        columns = [*costs[missing].T, waits[missing]]
        loading = [number[:, i][filled(held)] for i, held in enumerate(fills)]
        return [column.tolist() for column in columns], np.maximum(*loading)

    def _stores(self) -> tuple[list[list[int]], Numbers]:
        """The store module's operations, in columns; for every unit the store that its reset waits for."""
        uses = self.walk.uses
        done = np.empty(len(self.walk.fills["output"].places), np.int64)
        done[uses.unit] = self.number  # ascending, so the last use of a unit is what remains
        costs = self._transfers("output")
        columns = [*costs.T, done]
        return [column.tolist() for column in columns], previous(self.walk.fills["output"].places)

    def _transfers(self, name: str) -> Numbers:
        """Of every tile of an operand: how many transfers, and cycles on the bus and of padding of each."""
        operand, tiles, lows = self.walk.operands[name], self.walk.tiles, self.walk.lows[name]
        pads = padding(operand, tiles.lengths(operand), lows).reshape(len(lows), -1)
        if not pads.any():
            return np.broadcast_to(self._transfer(name, lows[0]), (len(lows), 3))
        codes = pads @ np.cumprod([1, *(pads.max(axis=0)[:-1] + 1)])
        _, first, kinds = np.unique(codes, return_index=True, return_inverse=True)
        found: Numbers = np.array([self._transfer(name, lows[i]) for i in first])[kinds]
        return found

    def _transfer(self, name: str, lows: Numbers) -> tuple[int, int, int]:
        spans = self.walk.tiles.spans(self.walk.operands[name], lows.tolist())
        one, outer, size = alike(spans, self.walk.config.limits.dma_elements)
        memory = _MEMORIES.get(name, Memory.ACCUMULATOR)
        row = row_cycles(one.x_size * dram_bytes(memory, self.walk.config), self.timing)
        padded = (size - one.x_size * one.y_size) * self.timing.pad_cycles
        return prod(span.length for span in outer), one.y_size * row, padded

    # --- computing ----------------------------------------------------------------------------------

    def _adds(self) -> NDArray[np.bool_]:
        """Which uses are preceded by the load of a tile that they add."""
        uses = self.walk.uses
        found = np.zeros(len(uses.step), bool)
        for place, step in self._added():
            mine = uses.step == place
            found[mine] = self.walk.fills[str(step.operand)].missing[uses.unit[mine]]
        return found

    def _added(self) -> list[tuple[int, Step]]:
        return [(2 + i, step) for i, step in enumerate(self.walk.epilogue) if step.operand is not None]

    def _computations(self, loading: Numbers, storing: Numbers) -> list[list[int]]:
        """The compute module's operations, in columns as `Computation`."""
        uses, timing = self.walk.uses, self.timing
        count, bus, own = (np.zeros(self.present.shape, np.int64) for _ in range(3))
        load, store = (np.full(self.present.shape, NONE) for _ in range(2))
        for place, step in self._added():
            mine = uses.step == place
            costs = self._transfers(str(step.operand))[uses.unit[mine]]
            count[mine, 0], bus[mine, 0], own[mine, 0] = costs.T
        count[:, 1] = 1
        rows = [
            row_cycles(kernel.count * dram_bytes(Memory.UOP, self.walk.config), timing)
            for kernel in self.walk.kernels
        ]
        bus[:, 1] = np.array(rows)[uses.kernel]
        own[:, 2] = np.array(self._costs())[uses.step]
        load[self.multiplied, 2] = loading
        resets = np.flatnonzero(uses.step == RESET)
        store[resets, 2] = storing[uses.unit[resets]]
        return [column[self.present].tolist() for column in (count, bus, own, load, store)]

    def _costs(self) -> list[int]:
        """Cycles of a reset, a multiplication, and each step of the epilogue."""
        timing, walk = self.timing, self.walk
        found = [
            walk.sums + timing.gemm_fill,
            _issue(walk.kernels[1], timing.accumulator_distance) + timing.gemm_fill,
        ]
        for step in walk.epilogue:
            if step.operand is None:
                found.append(walk.sums * timing.alu_immediate_cycles + timing.alu_fill)
            else:
                found.append(
                    walk.kernels[step.kernel].steps * timing.alu_register_cycles + timing.alu_fill
                )
        return found


def _issue(kernel: Folded, distance: int) -> int:
    outer, inner, *rest = (
        (loop.extent, loop.strides[0]) for loop in (kernel.outer, kernel.inner, *kernel.rest)
    )
    return _issued(outer, inner, tuple(rest), distance)


@lru_cache(maxsize=1 << 14)
def _issued(
    outer: tuple[int, int], inner: tuple[int, int], rest: tuple[tuple[int, int], ...], distance: int
) -> int:
    """Cycles in which a GEMM instruction issues its steps; loops are (iterations, what they move dst)."""
    dst = np.zeros(1, np.int64)
    for extent, moved in rest:
        dst = (dst[:, None] + np.arange(extent) * moved).reshape(-1)
    return issue_cycles(dst, outer, inner, distance)
