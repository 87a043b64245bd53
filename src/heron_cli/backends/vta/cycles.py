"""From an assignment to its modelled cycles, without making a program: for searching and sampling at large.

The result is that of `timing` on the whole program, to the cycle (tests/backends/vta/test_cycles.py); it
takes a twentieth of the time, because tiles that are alike are timed once and nothing is encoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from heron_cli.backends.vta.checks import dram_bytes
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.hazards import issue_cycles
from heron_cli.backends.vta.isa import AluOperation, Memory
from heron_cli.backends.vta.layout import Layouts
from heron_cli.backends.vta.loops import Folded, Strides
from heron_cli.backends.vta.overlap import NONE, Computation, Operations, Transfer, cycles
from heron_cli.backends.vta.tiles import Tiles
from heron_cli.backends.vta.timing import row_cycles
from heron_cli.backends.vta.transfers import Span, alike
from heron_cli.backends.vta.visits import padding
from heron_cli.backends.vta.walk import Walk
from heron_cli.schedule.nest import Nest

if TYPE_CHECKING:
    from heron_cli.schedule.task import Variant
    from heron_cli.space import Rows


class CycleModel:
    """The cycles of one variant's assignments."""

    def __init__(self, variant: Variant, config: VtaConfig) -> None:
        self._variant, self._config = variant, config
        self._layouts: Layouts | None = None

    def of(self, rows: Rows) -> Iterator[int]:
        """Cycles of each row of knob values, [n, knobs].

        Raises InputError for a row that violates a constraint, ProgramError as `Walk.walk` does.
        """
        for nest in self._variant.nests(rows):
            if self._layouts is None:
                self._layouts = Layouts.of(nest, self._config)  # of the einsum and the intrinsic alone
            yield _Times(nest, self._config, self._layouts).cycles()


class _Times(Walk):
    """Collects the time of operations, and which of the other modules' each waits for."""

    def __init__(self, nest: Nest, config: VtaConfig, layouts: Layouts) -> None:
        super().__init__(nest, config, layouts)
        self._operations = Operations()
        self._loaded: dict[tuple[str, int], int] = {}  # which load filled the buffer at a place
        self._used: dict[tuple[str, int], int] = {}  # which computation read it last
        self._done: dict[int, int] = {}  # which computation wrote the sums at a place last
        self._stored: dict[int, int] = {}  # which store read them
        self._kinds = {name: self._transfers(name) for name in self.operands}
        self._issue: int | None = None

    def cycles(self) -> int:
        """Modelled cycles of the nest's program."""
        self.walk()
        timing = self.config.timing
        last = (len(self._operations.loads) - 1, len(self._operations.stores) - 1)
        self._operations.computations.append(Computation(0, *last))  # Finish
        return cycles(self._operations, timing.decode_cycles, timing.dram_latency)

    def _transfers(self, name: str) -> list[tuple[int, int, int]]:
        """Of every tile of an operand: how many transfers, and cycles on the bus and of padding of each."""
        operand = self.operands[name]
        lengths = self.tiles.lengths(operand)
        lows = np.array(self.lows[name])
        pads = padding(operand, lengths, lows).reshape(len(lows), -1)
        if not pads.any():
            return [self._transfer(name, self.tiles.spans(operand, self.lows[name][0]))] * len(lows)
        codes = pads @ np.cumprod([1, *(pads.max(axis=0)[:-1] + 1)])
        _, first, kinds = np.unique(codes, return_index=True, return_inverse=True)
        found = [self._transfer(name, self.tiles.spans(operand, self.lows[name][i])) for i in first.tolist()]
        return [found[kind] for kind in kinds.tolist()]

    def _transfer(self, name: str, spans: list[Span]) -> tuple[int, int, int]:
        one, outer, size = alike(spans)
        count = 1
        for span in outer:
            count *= span.length
        memory = {"input": Memory.INPUT, "weight": Memory.WEIGHT, "output": Memory.OUTPUT}.get(
            name, Memory.ACCUMULATOR
        )
        row = row_cycles(one.x_size * dram_bytes(memory, self.config), self.config.timing)
        padded = (size - one.x_size * one.y_size) * self.config.timing.pad_cycles
        return count, one.y_size * row, padded

    # --- operations ---------------------------------------------------------------------------------

    def load(self, role: str, base: int, index: int) -> None:
        """Waits until the buffer's last reader is done; what is added is loaded by compute itself."""
        count, bus, own = self._kinds[role][index]
        if role in ("input", "weight"):
            self._loaded[role, base] = len(self._operations.loads)
            wait = self._used.get((role, base), NONE)
            self._operations.loads.append(Transfer(count, bus, own, wait))
        else:
            self._operations.computations.append(Computation(own, count=count, bus=bus))

    def load_uops(self, kernel: Folded, at: Strides, begin: int) -> None:
        """A row, by compute itself."""
        bus = row_cycles(kernel.count * dram_bytes(Memory.UOP, self.config), self.config.timing)
        self._operations.computations.append(Computation(0, count=1, bus=bus))

    def reset(self, begin: int, sums: int) -> None:
        """Waits until the sums that were there are stored."""
        own = self.sums + self.config.timing.gemm_fill
        self._done[sums] = len(self._operations.computations)
        self._operations.computations.append(Computation(own, store=self._stored.get(sums, NONE)))

    def multiply(self, begin: int, kernel: Folded, places: Strides) -> None:
        """Waits until both tiles are there."""
        if self._issue is None:
            self._issue = _issue(kernel, self.config.timing.accumulator_distance)
        sums, source, weight = places
        loads = max(self._loaded["input", source], self._loaded["weight", weight])
        mine = len(self._operations.computations)
        self._used["input", source] = self._used["weight", weight] = self._done[sums] = mine
        own = self._issue + self.config.timing.gemm_fill
        self._operations.computations.append(Computation(own, loads))

    def immediate(self, begin: int, operation: AluOperation, sums: int, value: int) -> None:
        """Follows the products."""
        self._done[sums] = len(self._operations.computations)
        timing = self.config.timing
        own = self.sums * timing.alu_immediate_cycles + timing.alu_fill
        self._operations.computations.append(Computation(own))

    def add(self, begin: int, kernel: Folded, sums: int) -> None:
        """Follows the products."""
        self._done[sums] = len(self._operations.computations)
        timing = self.config.timing
        own = kernel.steps * timing.alu_register_cycles + timing.alu_fill
        self._operations.computations.append(Computation(own))

    def store(self, sums: int, index: int) -> None:
        """Waits until the sums are done."""
        self._stored[sums] = len(self._operations.stores)
        self._operations.stores.append(Transfer(*self._kinds["output"][index], self._done[sums]))


def _issue(kernel: Folded, distance: int) -> int:
    loops = tuple((loop.extent, loop.strides[0]) for loop in (*kernel.rest, kernel.inner, kernel.outer))
    return _issued(loops[:-2], loops[-1], loops[-2], distance)


@lru_cache(maxsize=1 << 14)
def _issued(
    rest: tuple[tuple[int, int], ...], outer: tuple[int, int], inner: tuple[int, int], distance: int
) -> int:
    """Cycles in which a GEMM instruction issues its steps; loops are (iterations, what they move dst)."""
    dst = np.zeros(1, np.int64)
    for extent, moved in rest:
        dst = (dst[:, None] + np.arange(extent) * moved).reshape(-1)
    return issue_cycles(dst, outer, inner, distance)
