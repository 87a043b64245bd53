"""Tensors in DRAM and scratch-pads as numpy arrays, and one instruction's effect on them.

Integers wrap as in hardware. Every GEMM and ALU step writes the accumulator and, cut to the output's type,
the output scratch-pad; loads of accumulators do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_cli.backends.vta.accesses import Access, elements
from heron_cli.backends.vta.checks import scratchpad
from heron_cli.backends.vta.config import Scratchpad, VtaConfig
from heron_cli.backends.vta.errors import SimulationError
from heron_cli.backends.vta.isa import Alu, AluOperation, Finish, Gemm, Instruction, Load, Memory, Store
from heron_cli.backends.vta.kernels import Kernel
from heron_cli.backends.vta.products import Products
from heron_cli.backends.vta.program import Program, Tensor
from heron_cli.backends.vta.steps import steps

Array = NDArray[Any]
Numbers = NDArray[np.int64]

_POISON = 0x5A
_PADS = (Memory.WEIGHT, Memory.INPUT, Memory.ACCUMULATOR, Memory.OUTPUT)


def dram_element(memory: Memory, config: VtaConfig) -> Scratchpad:
    """Type and shape of a tensor's elements in DRAM."""
    return config.output if memory is Memory.NARROW else scratchpad(memory, config)


class State:
    """Scratch-pads and DRAM of a machine that executes one program."""

    def __init__(self, program: Program, config: VtaConfig, tensors: Mapping[str, Array]) -> None:
        self.config = config
        self._program = program
        self._pads = {memory: _poisoned(scratchpad(memory, config)) for memory in _PADS}
        self._written = {memory: np.zeros(len(pad), bool) for memory, pad in self._pads.items()}
        self._dram = {
            tensor.name: self._tensor(tensor, tensors)
            for tensor in program.tensors
            if tensor.memory is not Memory.UOP
        }
        self.stored = {
            tensor.name: np.zeros(tensor.elements, bool)
            for tensor in program.tensors
            if tensor.memory is Memory.OUTPUT
        }
        self._products = Products(config)
        unknown = sorted(set(tensors) - set(self._dram))
        if unknown:
            raise SimulationError(f"the program has no tensor '{unknown[0]}'; it has {', '.join(self._dram)}")

    def outputs(self) -> dict[str, Array]:
        """The stored tensors, [elements, batch, block_out] each; what was not stored has its old value."""
        return {name: self._dram[name] for name in self.stored}

    def execute(self, index: int, item: Instruction, kernel: Kernel | None, access: Access) -> None:
        """One instruction. Raises SimulationError when it reads what was never written."""
        for memory, runs in access.reads:
            if memory is Memory.UOP:
                continue
            for start, stop in runs:
                there = self._written[memory][start:stop]
                if not there.all():
                    place = f"{memory.name.lower()} {start + int(np.argmin(there))}"
                    raise SimulationError(f"reads {place}, which was never written", index)
        match item:
            case Load() if item.memory is not Memory.UOP:
                self._load(item)
            case Store():
                self._store(item)
            case Gemm() | Alu():
                assert kernel is not None
                self._compute(index, item, kernel, access)
            case Load() | Finish():
                pass
        for memory, runs in access.writes:
            if memory is not Memory.UOP:
                self._written[memory][elements(runs)] = True

    def _tensor(self, tensor: Tensor, given: Mapping[str, Array]) -> Array:
        element = dram_element(tensor.memory, self.config)
        shape = (tensor.elements, *element.shape)
        if tensor.name not in given:
            if tensor.memory is not Memory.OUTPUT:
                raise SimulationError(f"tensor '{tensor.name}' is missing")
            return np.full(shape, _POISON, element.dtype)
        array = np.asarray(given[tensor.name])
        if array.dtype != element.dtype or array.size != np.prod(shape):
            said = f"{array.size:,} of {array.dtype}; it has {np.prod(shape):,} of {element.dtype}"
            raise SimulationError(f"tensor '{tensor.name}': {said}")
        array = np.ascontiguousarray(array).reshape(shape)
        return array.copy() if tensor.memory is Memory.OUTPUT else array

    def _rectangle(self, item: Load | Store) -> tuple[str, Numbers]:
        tensor = self._program.accessed(item)
        assert tensor is not None  # checked with the program
        rows = np.arange(item.y_size)[:, None] * item.x_stride
        return tensor.name, item.dram_base - tensor.base + rows + np.arange(item.x_size)

    def _load(self, item: Load) -> None:
        name, places = self._rectangle(item)
        memory = Memory.ACCUMULATOR if item.memory is Memory.NARROW else item.memory
        pad = self._pads[memory]
        target = pad[item.sram_base : item.sram_base + item.sram_size]
        target[:] = 0
        grid = target.reshape(-1, item.width, *pad.shape[1:])
        rows = slice(item.pad_top, item.pad_top + item.y_size)
        grid[rows, item.pad_left : item.pad_left + item.x_size] = self._dram[name][places]

    def _store(self, item: Store) -> None:
        name, places = self._rectangle(item)
        source = self._pads[Memory.OUTPUT][item.sram_base : item.sram_base + item.sram_size]
        self._dram[name][places.reshape(-1)] = source
        self.stored[name][places.reshape(-1)] = True

    def _compute(self, index: int, item: Gemm | Alu, kernel: Kernel, access: Access) -> None:
        accumulator = self._pads[Memory.ACCUMULATOR]
        touched = elements(access.writes[0][1])
        if isinstance(item, Alu):
            self._alu(index, item, kernel)
        elif item.reset:
            accumulator[touched] = 0
        else:
            self._products.add(accumulator, self._pads[Memory.INPUT], self._pads[Memory.WEIGHT], item, kernel)
        self._pads[Memory.OUTPUT][touched] = accumulator[touched].astype(self.config.output.dtype)

    def _alu(self, index: int, item: Alu, kernel: Kernel) -> None:
        accumulator = self._pads[Memory.ACCUMULATOR]
        dst = steps(kernel.rows[:, 0], (item.iter_out, item.dst_out), (item.iter_in, item.dst_in))
        src = steps(kernel.rows[:, 1], (item.iter_out, item.src_out), (item.iter_in, item.src_in))
        immediate = None if item.immediate is None else np.asarray(item.immediate, accumulator.dtype)
        for part in [slice(None)] if _independent(dst, src, immediate is None) else range(len(dst)):
            right = accumulator[src[part]] if immediate is None else immediate
            if item.operation is AluOperation.SHIFT and abs(right.astype(np.int64)).max() > (
                limit := self.config.limits.shift
            ):
                raise SimulationError(f"shifts by more than {limit} bits", index)
            accumulator[dst[part]] = _apply(item.operation, accumulator[dst[part]], right)


def _independent(dst: Numbers, src: Numbers, reads_source: bool) -> bool:
    """Whether no step of an ALU instruction sees what another of its steps wrote."""
    if len(np.unique(dst)) != len(dst):
        return False
    return not reads_source or not (np.isin(src, dst) & (src != dst)).any()


def _apply(operation: AluOperation, left: Array, right: Array) -> Array:
    match operation:
        case AluOperation.MIN:
            return np.minimum(left, right)
        case AluOperation.MAX:
            return np.maximum(left, right)
        case AluOperation.ADD:
            return left + right
        case AluOperation.MULTIPLY:
            return left * right
        case AluOperation.SHIFT:
            return np.where(right >= 0, left >> np.maximum(right, 0), left << np.maximum(-right, 0))


def _poisoned(pad: Scratchpad) -> Array:
    return np.full((pad.depth, *pad.shape), _POISON, pad.dtype)
