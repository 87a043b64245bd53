"""A closed form of a program's time, for machines that fill scratch-pads beside computing: a roofline.

It counts what every tile costs each module and what reuse saves, and lets modules overlap where a buffer has
a second one to rotate with. What it leaves out is left to the learned model, which sees its terms: who waits
for whom, where padding lies, and how rows are split into bursts. All numbers are the YAML's.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from heron_cli.schedule.constraints.base import Poster
from heron_cli.schedule.constraints.c6_accumulator import DISTANCE, STALLING
from heron_cli.schedule.einsum import Access
from heron_cli.schedule.primitives import Order
from heron_cli.space import Expression, Var, ceil_div, const, maximum, minimum, product, select, total

ESTIMATE = "feature.estimate"
_NEEDED = ("bus_bytes", "dram_latency", "row_cycles", "decode_cycles", "gemm_fill", "alu_fill", STALLING)
_BYTES = {"int8": 1, "uint8": 1, "int16": 2, "int32": 4}


def add_estimate(poster: Poster) -> None:
    """Derive `feature.estimate` (cycles) and its terms where the YAML has the constants."""
    limits = poster.template.accelerator.limits
    orders = list(poster.template.all(Order))
    held = {hold.operand: hold for hold in poster.template.holds}
    if not all(name in limits for name in _NEEDED) or not {"input", "weight", "accumulate"} <= set(held):
        return
    _Estimate(poster, orders).post()


class _Estimate:
    def __init__(self, poster: Poster, orders: Sequence[Order]) -> None:
        self.poster, self.orders = poster, orders
        self.template, self.einsum = poster.template, poster.template.einsum
        self.limits = poster.template.accelerator.limits
        self.inner = orders[-1].level
        self.memory = {hold.operand: hold.memory for hold in self.template.holds}
        spatial = {axis.name for axis in self.einsum.spatial}
        self.tiles = {axis.name: poster.tiles(axis.name) for axis in self.einsum.axes}
        self.visits = product(list(self.tiles.values()))
        self.units = product([const(1), *(count for name, count in self.tiles.items() if name in spatial)])
        self.stages = product([const(1), *(self.tiles[axis.name] for axis in self.einsum.reduction)])

    def post(self) -> None:
        """Derive the terms and the whole."""
        space, einsum = self.poster.space, self.einsum
        compute = space.derive("feature.compute", self._compute())
        loads = [
            (role, space.derive(f"feature.load.{role}", self._fills(role, access) * self._transfer(access)))
            for role, access in (("input", einsum.input), ("weight", einsum.weight))
        ]
        store = space.derive("feature.store", self.units * self._transfer(einsum.output))
        alone = [cycles * self._single(role) for role, cycles in (*loads, ("accumulate", store))]
        moved = total([*(cycles for _, cycles in loads), store])
        space.derive(ESTIMATE, maximum(total([compute, *alone]), moved))

    def _compute(self) -> Expression:
        """Cycles of the compute module: products, stalled by close updates; resets and the epilogue."""
        limits, poster = self.limits, self.poster
        names = [axis.name for axis in self.einsum.axes]
        steps = poster.factors(self.inner, names)
        sums = poster.factors(self.inner, [axis.name for axis in self.einsum.spatial])
        each = limits["decode_cycles"] + limits["gemm_fill"]
        passes = 1 + sum(2 if op.kind in ("add", "clip") else 1 for op in self.einsum.epilogue)
        return self.visits * (steps * limits[STALLING] // Var(DISTANCE) + each) + self.units * passes * (
            sums + limits["decode_cycles"] + limits["alu_fill"]
        )

    def _single(self, role: str) -> Expression:
        """1 where a tile has no second buffer, so that its transfer and its use exclude each other."""
        return const(1) // self.poster.buffers(self.memory[role])

    def _fills(self, role: str, access: Access) -> Expression:
        """How often a tile is loaded: not again while inner tile loops leave it as it is, if it is kept.

        It is kept where its buffers hold all stages.
        """
        order = self._tile_order()
        cases = [self._reuse(order.level, candidate, access) for candidate in order.candidates]
        reuse = cases[0] if len(cases) == 1 else select(Var(f"order.{order.level}"), cases)
        copies = self.template.accelerator.memory(self.memory[role]).copies
        held = Var(f"copies.{self.memory[role]}") if len(copies) > 1 else const(copies[0] if copies else 1)
        kept = minimum(1, held // maximum(1, self.stages))
        return ceil_div(self.visits, maximum(1, 1 + (reuse - 1) * kept))

    def _tile_order(self) -> Order:
        """The loops over tiles of the output, which one thread runs through."""
        bound = None if self.template.bind is None else self.template.bind.level
        groups = {axis.name: axis.group for axis in self.einsum.axes}
        return next(
            order
            for order in self.orders
            if order.level not in (bound, self.inner) and any(groups[a] != "k" for a in order.candidates[0])
        )

    def _reuse(self, level: str, candidate: Sequence[str], access: Access) -> Expression:
        """Rounds of the innermost loops that do not move an operand."""
        found: Expression = const(1)
        for axis in candidate:  # outermost first
            factor = maximum(1, self.poster.factor(level, axis))  # bounds alone do not tell that it is
            if self.einsum.moves(self.einsum.axis(axis), access):
                found = 1 + (found - 1) * (const(1) // factor)
            else:
                found = found * factor
        return found

    def _transfer(self, access: Access) -> Expression:
        """Cycles to move a tile: requests, rows, and bytes on the bus.

        Blocks of the intrinsic lie together, their numbers outside the other dimensions; dimensions join
        into one row as long as those inside them are whole.
        """
        limits, shape, axes = self.limits, self.template.tensorize.shape, self.template.tensorize.axes
        units = {axis: shape[dim] for dim, axis in axes.items() if axis is not None}
        tiles = {axis.name: self.poster.tile(axis.name, [self.inner]) for axis in self.einsum.axes}
        block, dims = 1, []
        for dim in access.dims:
            names = [name for name, _ in dim.terms]
            unit = prod(units.get(name, 1) for name in names)
            block *= unit
            length = ceil_div(self.poster.length(dim, tiles), unit)
            dims.append((unit > 1, length, -(-dim.extent // unit)))
        row: Expression = const(block * _BYTES[access.dtype])
        rows: Expression = const(1)
        requests: Expression = const(1)
        joined: Expression = const(1)  # 1 while all dimensions so far are whole
        before: Expression = const(1)
        for _, length, extent in reversed(sorted(dims, key=lambda each: not each[0])):
            row = row * (1 + (length - 1) * joined)
            rows = rows * (1 + (length - 1) * (before - joined))
            requests = requests * (1 + (length - 1) * (1 - before))
            before, joined = joined, joined * minimum(1, length // extent)
        data = ceil_div(row, limits["bus_bytes"]) + limits["row_cycles"]
        return requests * (limits["decode_cycles"] + limits["dram_latency"] + rows * data)
