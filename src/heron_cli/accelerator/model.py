"""An accelerator as plain immutable values: what the loader makes of its YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TypeVar

from heron_cli.accelerator.frozen import FrozenMap
from heron_cli.accelerator.nodes import Node
from heron_cli.errors import Origin

TargetValue = str | int | float | bool | tuple[str | int | float | bool, ...]


@dataclass(frozen=True, slots=True)
class Dtypes:
    """Element types of an intrinsic's operands."""

    input: str
    weight: str
    accumulate: str
    output: str | None = None  # what results are stored in, where that is not the sum's type


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """A tensor instruction.

    `shapes`: extents by dimension, {"m": 1, "n": 16, "k": 4} for C[m,n] += A[m,k] * B[n,k]; one that computes
    C[batch] += A[batch,k] * B[batch,k] has a "batch", too. `lanes`: threads that execute it
    together. `extra`: what only the back end reads, such as "llvm".
    """

    name: str
    computes: str
    scope: str
    lanes: int
    shapes: tuple[Mapping[str, int], ...]
    dtypes: Dtypes
    extra: Mapping[str, str]
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory; sizes in bytes, `bandwidth` in bytes per second.

    `units` is the capacity in every unit a rule may name: {"bytes": 2048, "vectors": 32}; empty if unbounded.
    `holds`: operands for which heron creates a buffer there. `implicit`: those the compiler keeps there.
    `copies`, `pad` (elements) and `swizzle` are choices to try.
    """

    name: str
    scope: str | None
    units: Mapping[str, int]
    vector_bytes: int | None
    shared_by: str
    holds: tuple[str, ...]
    implicit: tuple[str, ...]
    copies: tuple[int, ...]
    pad: tuple[int, ...]
    swizzle: tuple[str, ...]
    filled_by: tuple[str, ...]
    bandwidth: float | None
    origin: Origin = field(compare=False)

    @property
    def capacity_bytes(self) -> int | None:
        """The capacity in bytes; None if unbounded or counted in registers."""
        return self.units.get("bytes")


@dataclass(frozen=True, slots=True)
class Level:
    """A tiling level.

    `axes`: words of `words.AXES`, empty for the intrinsic's own level. `fills`: names of memories.
    `pipeline`: depths to try, empty if the level is not pipelined. `at_most` bounds the product of a bound
    level's factors, each factor otherwise.
    """

    name: str
    axes: tuple[str, ...]
    bind: str | None
    order: str
    unroll: bool
    at_most: int | None
    fills: tuple[str, ...]
    pipeline: tuple[int, ...]
    resident: tuple[int, ...]
    teams: tuple[int, ...]
    overlap: tuple[bool, ...]
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True)
class StageSpec:
    """Where a stage may be computed: "root" or names of levels."""

    at: tuple[str, ...]
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True)
class Requires:
    """What a machine must have to run the kernels."""

    cpu_flags: tuple[str, ...] = ()
    compute_capability: int | None = None
    exact_capability: bool = False

    @property
    def demands(self) -> tuple[bool, int, int]:
        """How much is asked of a machine, to compare accelerators of a family by."""
        return (self.exact_capability, self.compute_capability or 0, len(self.cpu_flags))


@dataclass(frozen=True, slots=True)
class Rule:
    """A constraint of the accelerator: `require` must be true wherever `when` is (None: everywhere)."""

    name: str
    why: str
    when: Node | None
    require: Node
    origin: Origin = field(compare=False)


@dataclass(frozen=True)
class Accelerator:
    """A whole accelerator. Two are equal, and hash alike, when their digests are equal.

    `digest` is the sha256 of the content that decides which programs there are: not of comments, layout,
    descriptions, reasons, sources, the estimate and the peak, nor of whether keys came from another file by
    `extends`.
    `origins` maps dotted names ("memories.l2.capacity", "limits.threads") to where they are written.
    """

    name: str
    description: str
    backend: str
    sources: tuple[str, ...]
    tvm_target: Mapping[str, TargetValue]
    requires: Requires
    clock: float | None  # hertz
    tails: str
    intrinsics: tuple[Intrinsic, ...]
    memories: tuple[Memory, ...]
    levels: tuple[Level, ...]
    stages: Mapping[str, StageSpec]
    stores: tuple[str, ...]
    prefetch: Mapping[str, tuple[int, ...]]  # operand -> how far ahead, to try; 0 is not at all
    limits: Mapping[str, int]
    estimate: Mapping[str, int]
    peak: Mapping[str, int]  # type of the input -> products that one processor ends in a cycle at most
    rules: tuple[Rule, ...]
    digest: str
    file: str
    origins: Mapping[str, Origin]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Accelerator) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def products(self) -> int:
        """Of the largest instruction."""
        shapes = (shape for intrinsic in self.intrinsics for shape in intrinsic.shapes)
        return max(prod(shape.values()) for shape in shapes)

    @property
    def gathers(self) -> bool:
        """Whether threads fill the near memories element by element, from any address, zeros where masked.

        Such a machine needs no layout in far memory, pads where it reads and masks what exceeds the data.
        """
        return self.tails == "mask"

    def memory(self, name: str) -> Memory:
        """The memory of that name; KeyError if there is none."""
        return _named(self.memories, name)

    def level(self, name: str) -> Level:
        """The level of that name; KeyError if there is none."""
        return _named(self.levels, name)

    def intrinsic(self, name: str) -> Intrinsic:
        """The intrinsic of that name; KeyError if there is none."""
        return _named(self.intrinsics, name)

    def where(self, path: str) -> Origin:
        """Where the key `path` is written; for a default, where the thing it belongs to is written."""
        while path not in self.origins and "." in path:
            path = path.rpartition(".")[0]
        return self.origins.get(path, Origin(self.file, 1, 1))

    @cached_property
    def constants(self) -> Mapping[str, int]:
        """The names in rules that are numbers: "memories.l2.bytes", "limits.threads", "intrinsic.k"."""
        found = {f"limits.{name}": value for name, value in self.limits.items()}
        for memory in self.memories:
            found |= {f"memories.{memory.name}.{unit}": value for unit, value in memory.units.items()}
        for dim in ("m", "n", "k"):
            extents = {shape[dim] for intrinsic in self.intrinsics for shape in intrinsic.shapes}
            if len(extents) == 1:
                found[f"intrinsic.{dim}"] = extents.pop()
        return FrozenMap(found)


T = TypeVar("T", Memory, Level, Intrinsic)


def _named(items: tuple[T, ...], name: str) -> T:
    for item in items:
        if item.name == name:
            return item
    raise KeyError(name)
