"""The machine that instructions are made for, as numbers: all of them from the accelerator's YAML.

Capacities come from `memories:`, block sizes and element types from the intrinsic, everything else from
`limits:`. Sizes are in bytes, depths in elements, times in cycles.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from math import prod

from heron_cli.accelerator.model import Accelerator, Memory
from heron_cli.errors import InputError

_BITS = {"int8": 8, "int16": 16, "int32": 32}


@dataclass(frozen=True, slots=True)
class Scratchpad:
    """An on-chip memory of `depth` elements, each an array of `shape` and `dtype`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    depth: int

    @property
    def element_bytes(self) -> int:
        """Size of one element."""
        return prod(self.shape) * _BITS[self.dtype] // 8

    @property
    def index_bits(self) -> int:
        """Width of a field that holds any index."""
        return max(1, (self.depth - 1).bit_length())


@dataclass(frozen=True, slots=True)
class FieldLimits:
    """Largest values of the instructions' fields, by the names that `limits:` gives them.

    `immediate` bounds a signed field: [-immediate - 1, immediate]. `alu_operations` counts the operations in
    the order of `isa.AluOperation`. `narrow_accumulator_load` is 1 where loads may widen accumulators from
    the output's type (the functional reference model has it).
    """

    iterations: int
    dma_elements: int
    dma_sram: int
    dma_dram: int
    pad: int
    immediate: int
    shift: int
    alu_operations: int
    tokens: int
    narrow_accumulator_load: int = 0


@dataclass(frozen=True, slots=True)
class TimingConstants:
    """Constants of the timing model (`timing.py`), by the names that `limits:` gives them; in cycles."""

    bus_bytes: int
    burst_bytes: int
    dram_latency: int
    row_cycles: int
    pad_cycles: int
    decode_cycles: int
    gemm_fill: int
    alu_fill: int
    alu_immediate_cycles: int
    alu_register_cycles: int
    accumulator_distance: int


@dataclass(frozen=True)
class VtaConfig:
    """One VTA. A GEMM step is accumulator[batch, out] += input[batch, in] . weight[out, in]^T.

    The output scratch-pad mirrors the accumulator in the output's type, which is the input's unless the
    intrinsic says another: every GEMM and ALU step writes it.
    """

    name: str
    batch: int
    block_in: int
    block_out: int
    uop: Scratchpad
    input: Scratchpad
    weight: Scratchpad
    accumulator: Scratchpad
    output: Scratchpad
    limits: FieldLimits
    timing: TimingConstants

    @classmethod
    def of(cls, accelerator: Accelerator) -> VtaConfig:
        """The machine that an accelerator's YAML describes.

        Raises:
            InputError: a memory or a limit is missing or does not fit; one line, with its place in the file.
        """
        return _Reader(accelerator).config()

    def __hash__(self) -> int:
        return hash(self.digest)

    @cached_property
    def source_bits(self) -> int:
        """Width of the field that names inputs in a GEMM and accumulators in an ALU instruction."""
        return max(self.input.index_bits, self.accumulator.index_bits)

    @property
    def macs_per_step(self) -> int:
        """Multiplications of one GEMM step."""
        return self.batch * self.block_in * self.block_out

    @cached_property
    def digest(self) -> bytes:
        """sha256 of all that decides what a program's bits mean: not of the name, nor of timing."""
        known = {key: value for key, value in asdict(self).items() if key not in ("name", "timing")}
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).digest()


class _Reader:
    """Reads a configuration off an accelerator; every complaint says where."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator

    def config(self) -> VtaConfig:
        if len(self.accelerator.intrinsics) != 1 or len(self.accelerator.intrinsics[0].shapes) != 1:
            raise self._error("intrinsics", "VTA has one GEMM unit; give one intrinsic with one shape")
        intrinsic = self.accelerator.intrinsics[0]
        (shape,) = intrinsic.shapes
        types = intrinsic.dtypes
        for role in ("input", "weight", "accumulate", "output"):
            if (dtype := getattr(types, role) or types.input) not in _BITS:
                said = f"'{dtype}' is no type of VTA's; there are: {', '.join(_BITS)}"
                raise self._error(f"intrinsics.{intrinsic.name}.dtypes.{role}", said)
        batch, block_out, block_in = shape["m"], shape["n"], shape["k"]
        accumulator = self._scratchpad("accumulate", types.accumulate, (batch, block_out))
        config = VtaConfig(
            name=self.accelerator.name,
            batch=batch,
            block_in=block_in,
            block_out=block_out,
            uop=self._uop(),
            input=self._scratchpad("input", types.input, (batch, block_in)),
            weight=self._scratchpad("weight", types.weight, (block_out, block_in)),
            accumulator=accumulator,
            output=Scratchpad("output", types.output or types.input, (batch, block_out), accumulator.depth),
            limits=FieldLimits(**self._limits(FieldLimits)),
            timing=TimingConstants(**self._limits(TimingConstants)),
        )
        self._check(config)
        return config

    def _error(self, path: str, said: str) -> InputError:
        return InputError(f"{self.accelerator.where(path)}: {path}: {said}")

    def _limits(self, model: type[FieldLimits] | type[TimingConstants]) -> dict[str, int]:
        found = {}
        for field in fields(model):
            if field.name in self.accelerator.limits:
                found[field.name] = self.accelerator.limits[field.name]
            elif not isinstance(field.default, int):
                raise self._error("limits", f"'{field.name}' is missing; vta.yaml says what it is")
        return found

    def _holder(self, operand: str) -> Memory:
        found = [memory for memory in self.accelerator.memories if operand in memory.holds]
        if len(found) != 1:
            raise self._error("memories", f"{len(found)} hold '{operand}'; exactly one must")
        return found[0]

    def _scratchpad(self, operand: str, dtype: str, shape: tuple[int, ...]) -> Scratchpad:
        memory = self._holder(operand)
        single = Scratchpad(memory.name, dtype, shape, 1)
        return Scratchpad(memory.name, dtype, shape, self._depth(memory, single.element_bytes))

    def _uop(self) -> Scratchpad:
        try:
            memory = self.accelerator.memory("uop")
        except KeyError:
            raise self._error(
                "memories", "none is called 'uop'; add '{name: uop, capacity: 32 KiB}'"
            ) from None
        return Scratchpad(memory.name, "int32", (1,), self._depth(memory, 4))

    def _depth(self, memory: Memory, element_bytes: int) -> int:
        path = f"memories.{memory.name}.capacity"
        size = memory.capacity_bytes
        if size is None:
            raise self._error(path, "missing or not in bytes; a scratch-pad has a size, as in '32 KiB'")
        if size % element_bytes:
            raise self._error(path, f"{size:,} B is no multiple of an element of {element_bytes} B")
        return size // element_bytes

    def _check(self, config: VtaConfig) -> None:
        """What no single key can be blamed for: the words of the instruction set have fixed sizes."""
        from heron_cli.backends.vta import encoding

        for what, used, width in encoding.widths(config):
            if used > width:
                said = f"{what} takes {used} bits, of {width}; fewer elements or smaller limits would fit"
                raise self._error("memories", said)
        if config.timing.accumulator_distance > 256:
            raise self._error("limits.accumulator_distance", "no more than 256 steps are looked back")
        deepest = max(config.input.depth, config.weight.depth, config.accumulator.depth, config.uop.depth)
        if deepest - 1 > config.limits.dma_sram:
            said = f"{config.limits.dma_sram:,} does not reach the last of {deepest:,} elements"
            raise self._error("limits.dma_sram", said)
