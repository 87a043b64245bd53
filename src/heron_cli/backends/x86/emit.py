"""Nest → TIR for CPUs with a 4-way byte dot product: the loops outside the register tile, and what is copied
where; `tile.py` emits what they repeat, specialised for every case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.x86 import deal, forms, inline, matrix
from heron_cli.backends.x86.cases import Cases
from heron_cli.backends.x86.finish import Finish
from heron_cli.backends.x86.lanes import LaneTile
from heron_cli.backends.x86.matrix_tile import MatrixTile
from heron_cli.backends.x86.operands import Reads
from heron_cli.backends.x86.pack import PackedWeight
from heron_cli.backends.x86.packing import Packing
from heron_cli.backends.x86.stage import InputStage, Source
from heron_cli.backends.x86.tile import RegisterTile
from heron_cli.elements import BYTES
from heron_cli.schedule.nest import ROOT, STREAMED, Loop, Nest


class KernelEmitter:
    """Emits the kernel of one nest. Use `emit`."""

    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        self.einsum = nest.einsum
        self.weight = PackedWeight(nest)
        self.stage = InputStage(nest)
        self.cases = Cases(nest)
        self.streamed = nest.store == STREAMED

    def emit(self, symbol: str) -> Any:
        """The kernel as a PrimFunc: symbol(input, weight, operands of the epilogue…, output).

        A constant weight comes packed.
        """
        einsum, constant = self.einsum, self.einsum.weight.constant
        operands = (einsum.input, einsum.weight, *einsum.finishing, einsum.output)
        data = [
            tir.argument(access.name, inline.carrier(access.dtype), prod(access.shape()), BYTES[access.dtype])
            for access in operands
        ]
        if constant:
            data[1] = tir.argument("weight", self.weight.dtype, self.weight.elements, 64)
        self.input, self.given, *added, output = (buffer for _, buffer in data)
        form = LaneTile if self.nest.batched else MatrixTile if matrix.suits(self.nest) else RegisterTile
        self.tile = form(self.nest, self.weight, self.stage, self.cases, Finish(self.nest, added), output)
        panels = self.weight.entire(self.given) if constant else None
        return forms.function(symbol, data, self._whole(Reads(Source.user(self.input, einsum.input), panels)))

    def _whole(self, reads: Reads) -> Any:
        """The loops, and what they call that TIR has no words for."""
        body = self._copied(ROOT, reads, {}, self._parallel, parallel=self.nest.threads > 1)
        body = self.tile.within(body)
        if self.streamed:
            body = inline.streaming(self.einsum.output.dtype, self.weight.width, body)
        return body

    def _copied(
        self,
        position: str,
        reads: Reads,
        tiles: Mapping[str, Any],
        body: Callable[[Reads], Any],
        *,
        parallel: bool = False,
    ) -> Any:
        """What is packed and staged at a position, then the body, which reads that."""
        nest = self.nest
        if nest.pack == position and reads.panels is None:
            panels = self.weight.part(position, tiles)
            packed = [
                forms.allocate_workspace(panels.buffer),
                Packing(self.weight).statement(self.given, panels, parallel=parallel),
            ]
            staged = self._copied(position, Reads(reads.source, panels), tiles, body, parallel=parallel)
            return tir.sequence([*packed, staged])
        if nest.stage == position:
            return self.stage.emit(
                reads.source, tiles, lambda source: body(Reads(source, reads.panels)), parallel=parallel
            )
        return body(reads)

    def _parallel(self, reads: Reads) -> Any:
        nest, level = self.nest, self.nest.parallel
        axes = nest.level(level) if level else ()
        extents = [nest.tilings[axis].factor(level) for axis in axes] if level else []
        serial = [loop for loop in nest.positions() if loop.level != level and self._spatial(loop.axis)]

        def body(index: Any) -> Any:
            whole = self.tile.configured(share(index)) if nest.threads > 1 else share(index)
            return tir.sequence([whole, inline.fence()]) if self.streamed else whole

        def share(index: Any) -> Any:
            tiles: dict[str, Any] = {}
            for i, axis in enumerate(axes):
                inner = prod(extents[i + 1 :])
                value = index // inner if inner > 1 else index
                wraps = any(extent > 1 for extent in extents[:i])
                tiles[axis] = 0 if extents[i] == 1 else value % extents[i] if wraps else value
            return self._copied(level or "", reads, tiles, lambda here: self._serial(here, tiles, serial))

        whole = deal.loop("p", prod(extents), body, nest)
        return whole if nest.threads > 1 else self.tile.configured(whole)

    def _spatial(self, axis: str) -> bool:
        return self.einsum.axis(axis).group != "k"

    def _serial(self, reads: Reads, tiles: Mapping[str, Any], rest: Sequence[Loop]) -> Any:
        """The serial spatial loops, then the tile. `tiles` holds the tile index of each axis so far."""
        if not rest:
            return self.cases.dispatch(tiles, lambda case: self.tile.emit(reads, tiles, case))
        (here, *inner) = rest
        factor = self.nest.tilings[here.axis].factor(here.level)

        def body(index: Any) -> Any:
            now = {**tiles, here.axis: tiles.get(here.axis, 0) * factor + index}
            return self._copied(here.position, reads, now, lambda copied: self._serial(copied, now, inner))

        return tir.loop(f"{here.axis}_{here.level}", factor, body)
