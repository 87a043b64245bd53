"""What the emitters of register tiles hand each other: what a tile reads, where, and what it sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heron_cli.backends.x86.cases import Case
from heron_cli.backends.x86.pack import Panels
from heron_cli.backends.x86.stage import Source


@dataclass(frozen=True)
class Reads:
    """What a tile reads: the input and the packed weight, `panels` being None until it is packed."""

    source: Source
    panels: Panels | None


@dataclass(frozen=True)
class Begun:
    """What the products of one tile read: the buffers, and where in them its operands begin."""

    source: Source
    packed: Any
    input: Any
    weight: Any


@dataclass(frozen=True)
class Sums:
    """The sums of a tile: where it starts, its output points, and a register for every vector of each.

    A point says how far it lies from the tile's first one on every m-like axis.
    """

    case: Case
    starts: Mapping[str, Any]
    points: Sequence[Mapping[str, Any]]
    registers: Sequence[Sequence[Any]]

    @property
    def blocks(self) -> int:
        """Vectors of a point."""
        return len(self.registers[0])
