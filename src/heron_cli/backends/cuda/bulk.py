"""Stages filled by bulk copies: one thread of a warpgroup of its own issues them, the others multiply.

Each stage has two gates (mbarriers): `full` opens when all bytes of both tiles are there, `empty` when every
warpgroup that reads the stage, in every block that this one copies for, has released it. Blocks of a cluster
that need the same tile copy a part each, to all of them.

Where a block stays, stages of all its tiles go through one ring. Two teams take tiles in turn: each begins
when the other has seen the last stage of its tile, since a gate tells only if it opened an even or an odd
number of times; so one multiplies while the results of the other leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.cuda.fragments import Position
from heron_cli.backends.cuda.geometry import Geometry
from heron_cli.backends.cuda.groups import GroupProducts
from heron_cli.backends.cuda.maps import TensorMap
from heron_cli.backends.cuda.ring import iteration
from heron_cli.schedule.einsum import Access

_COPIER, _REGISTERS, _GRAIN = 40, 65536, 8


def registers(groups: int, resident: int) -> int:
    """Registers of a multiplying thread, a multiple of 8.

    A block gets its registers when it starts, alike for all threads; the copying warpgroup gives up all but
    40, and the multiplying ones take those. More would never come, and the block would wait for ever.
    """
    each = min(240, _REGISTERS // resident // ((groups + 1) * 128) // _GRAIN * _GRAIN)
    return min(240, (each * (groups + 1) - _COPIER) // groups // _GRAIN * _GRAIN)


class Bulk:
    """Emits both roles of a block."""

    def __init__(
        self, geometry: Geometry, operands: tuple[Access, Access], shared: Any, names: tuple[Any, Any]
    ) -> None:
        self.geometry, self.shared, self.names = geometry, shared, names
        self.maps = (TensorMap.of(geometry, operands[0], "m"), TensorMap.of(geometry, operands[1], "n"))
        self.products: GroupProducts

    def open(self, thread: Any) -> list[Any]:
        """Set the gates up, before anything uses them, and have the tensor maps brought near."""
        geometry = self.geometry
        readers = (
            geometry.workers // 128 // geometry.teams * (geometry.shared("m") + geometry.shared("n") - 1)
        )
        gates = [tir.device("heron_map_fetch", tir.address_of(name)) for name in self.names]
        for slot in range(geometry.depth):
            gates.append(tir.device("heron_gate_open", self._full(slot), 1))
            gates.append(tir.device("heron_gate_open", self._empty(slot), readers))
        if geometry.teams > 1:
            groups = geometry.workers // 128 // geometry.teams
            gates += [tir.device("heron_gate_open", self._turn(t), groups) for t in range(geometry.teams)]
        gates.append(tir.device("heron_gate_ready"))
        together = "heron_cluster_barrier" if geometry.cluster > 1 else "heron_barrier"
        return [tir.branch(thread == 0, tir.sequence(gates)), tir.device(together)]

    def copy(
        self, ranks: Mapping[str, Any], first: Mapping[str, Any], batches: Mapping[str, Any], visit: Any
    ) -> list[Any]:
        """What the copying thread does for a tile: wait for empty stages and fill them.

        `visit` counts the tiles of the block, which go through one ring.
        """
        geometry = self.geometry
        size = geometry.operand_bytes("m") + geometry.operand_bytes("n")
        second = geometry.aligned(geometry.operand_bytes("m"))
        down, across, share = ranks["m"], ranks["n"], ranks["k"]
        before: list[Any] = []
        begins = []
        for each, dim, part in zip(self.maps, ("m", "n"), (across, down), strict=True):
            named = {}
            for name, value in each.begin(first[dim], part).items():
                named[name] = tir.variable(f"{each.access.name}_{name}")
                before.append(tir.named(named[name], value))
            begins.append({**batches, **named})
        m, n = geometry.shared("m"), geometry.shared("n")
        masks = (
            tir.shift_left((1 << n) - 1, (share * m + down) * n),
            tir.shift_left(sum(1 << (i * n) for i in range(m)), share * m * n + across),
        )

        def fill(turn: Any) -> Any:
            slot, phase = self._place(visit, turn)
            taps, start = iteration(geometry, turn, share)
            body = [
                tir.device("heron_gate_wait", self._empty(slot), (phase + 1) % 2),
                tir.device("heron_gate_expect", self._full(slot), size),
            ]
            for number, (each, part) in enumerate(zip(self.maps, (across, down), strict=True)):
                base = slot * geometry.stage_bytes + (second if number else 0)
                shared = each.sharers > 1
                for at, numbers in each.copies(begins[number], part, taps, start):
                    to = tir.address(self.shared, base + at)
                    mask = [masks[number]] if shared else []
                    body.append(
                        tir.device(
                            each.call(shared),
                            to,
                            self._full(slot),
                            tir.address_of(self.names[number]),
                            *mask,
                            *numbers,
                        )
                    )
            return tir.sequence(body)

        return [*before, tir.loop("turn", geometry.iterations, fill)]

    def _place(self, visit: Any, turn: Any) -> tuple[Any, Any]:
        """The stage of an iteration of a visit, and how often it was used before."""
        number = visit * self.geometry.iterations + turn
        return number % self.geometry.depth, number // self.geometry.depth

    def multiply(self, at: Position, ranks: Mapping[str, Any], visit: Any, team: Any) -> list[Any]:
        """Add to the sums: a stage is released when the products of the next one run."""
        geometry = self.geometry
        count, depth = geometry.iterations, geometry.depth

        def stage(turn: Any) -> Any:
            slot, phase = self._place(visit, turn)
            wait = tir.device("heron_gate_wait", self._full(slot), phase % 2)
            products = self.products.multiply(self.shared, slot * geometry.stage_bytes, at)
            release = tir.branch(
                tir.both(turn > 0, at.lane == 0),
                tir.sequence(self._release((slot + (depth - 1)) % depth, ranks)),
            )
            return tir.sequence([wait, *products, release])

        loop = tir.loop("turn", count, stage) if count > 1 else stage(0)
        statements = [loop]
        if geometry.teams > 1:
            step, following = visit // geometry.teams, (team + 1) % geometry.teams
            before = tir.select(team == 0, step + 1, step)  # the first team's first tile comes after none
            statements = [
                tir.device("heron_gate_wait", self._turn(team), before % 2),
                *statements,
                tir.branch(at.lane == 0, tir.device("heron_gate_arrive", self._turn(following))),
            ]
        statements += self.products.finish()
        if geometry.stays:
            last = self._release(self._place(visit, count - 1)[0], ranks)
            statements.append(tir.branch(at.lane == 0, tir.sequence(last)))
        if not geometry.direct:  # staged results take the place of the stages
            statements.append(tir.device("heron_workers_barrier<1>", geometry.workers))
        return statements

    def _release(self, slot: Any, ranks: Mapping[str, Any]) -> list[Any]:
        """Tell every block that copies into this one that a stage may be overwritten."""
        geometry = self.geometry
        m, n = geometry.shared("m"), geometry.shared("n")
        if m * n == 1:
            return [tir.device("heron_gate_arrive", self._empty(slot))]
        base = ranks["k"] * m
        others = [(base + ranks["m"]) * n + j for j in range(n)]
        others += [(base + (ranks["m"] + i) % m) * n + ranks["n"] for i in range(1, m)]
        return [tir.device("heron_gate_arrive_at", self._empty(slot), rank) for rank in others]

    def _turn(self, team: Any) -> Any:
        return tir.address(self.shared, self.geometry.barriers + self.geometry.depth * 16 + team * 8)

    def _full(self, slot: Any) -> Any:
        return tir.address(self.shared, self.geometry.barriers + slot * 8)

    def _empty(self, slot: Any) -> Any:
        return tir.address(self.shared, self.geometry.barriers + self.geometry.depth * 8 + slot * 8)
