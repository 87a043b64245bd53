"""Programs written by hand, with what numpy says of them; and random ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.isa import (
    Alu,
    AluOperation,
    Finish,
    Gemm,
    Instruction,
    Load,
    Memory,
    Store,
    Uop,
)
from heron_cli.backends.vta.program import UOPS, Program, place
from heron_cli.backends.vta.sync import synchronise

Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """A program with tokens, what its tensors hold, and the outputs that are due."""

    program: Program
    tensors: dict[str, Array]
    due: dict[str, Array]


def random_array(shape: tuple[int, ...], dtype: str, seed: int) -> Array:
    bounds = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(bounds.min, bounds.max, shape, dtype, endpoint=True)


def link(
    instructions: list[Instruction],
    uops: list[Uop],
    tensors: list[tuple[str, Memory, int]],
    config: VtaConfig,
) -> Program:
    """Instructions whose `dram_base` counts from the tensor of the same memory (there is one of each)."""
    placed = place([*tensors, (UOPS, Memory.UOP, len(uops))], config)
    bases = {tensor.memory: tensor.base for tensor in placed}
    moved = []
    for item in instructions:
        if isinstance(item, Load):
            fields = {name: getattr(item, name) for name in Load.__dataclass_fields__}
            moved.append(Load(**fields | {"dram_base": item.dram_base + bases[item.memory]}))
        elif isinstance(item, Store):
            fields = {name: getattr(item, name) for name in Store.__dataclass_fields__}
            moved.append(Store(**fields | {"dram_base": item.dram_base + bases[Memory.OUTPUT]}))
        else:
            moved.append(item)
    return synchronise(Program((*moved, Finish()), tuple(uops), placed), config)


def cut(values: Array, config: VtaConfig) -> Array:
    return values.astype(config.output.dtype)


def products(source: Array, weight: Array) -> Array:
    """[m, k, batch, in] and [n, k, out, in] -> [m, n, batch, out] in 32 bits that wrap."""
    total = np.einsum("mkbi,nkoi->mnbo", source.astype(np.int64), weight.astype(np.int64))
    return total.astype(np.int32)


def one_tile(config: VtaConfig, m: int = 3, n: int = 2, k: int = 4) -> Case:
    """Everything fits the scratch-pads at once."""
    source = random_array((m, k, *config.input.shape), config.input.dtype, 1)
    weight = random_array((n, k, *config.weight.shape), config.weight.dtype, 2)
    uops = [Uop(j, i, j * k + i) for j in range(n) for i in range(k)]
    uops.append(Uop(0))
    program = link(
        [
            Load(Memory.UOP, 0, 0, len(uops)),
            Gemm(len(uops) - 1, len(uops), m, n, n, 1, reset=True),
            Load(Memory.INPUT, 0, 0, m * k),
            Load(Memory.WEIGHT, 0, 0, n * k),
            Gemm(0, len(uops) - 1, m, 1, n, 0, k, 0),
            Store(0, 0, m * n),
        ],
        uops,
        [("input", Memory.INPUT, m * k), ("weight", Memory.WEIGHT, n * k), ("output", Memory.OUTPUT, m * n)],
        config,
    )
    due = cut(products(source, weight), config)
    return Case(program, {"input": source, "weight": weight}, {"output": due})


def pipeline(config: VtaConfig, tiles: int = 3, stages: int = 4, copies: int = 2) -> Case:
    """Tiles of rows, the reduction in stages; loads and results rotate through `copies` of their buffers."""
    m, k = 2, 3  # rows of a tile, blocks of a stage
    source = random_array((tiles * m, stages * k, *config.input.shape), config.input.dtype, 3)
    weight = random_array((1, stages * k, *config.weight.shape), config.weight.dtype, 4)
    uops: list[Uop] = []
    kernels = {}
    for copy in range(copies):
        for result in range(copies):
            kernels[copy, result] = len(uops)
            uops += [Uop(result * m, copy * m * k + i, copy * k + i) for i in range(k)]
    resets = len(uops)
    uops += [Uop(result * m) for result in range(copies)]
    code: list[Instruction] = [Load(Memory.UOP, 0, 0, len(uops))]
    for tile in range(tiles):
        result = tile % copies
        code.append(Gemm(resets + result, resets + result + 1, m, 1, 1, reset=True))
        for stage in range(stages):
            copy = (tile * stages + stage) % copies
            first = tile * m * stages * k + stage * k
            code.append(Load(Memory.INPUT, copy * m * k, first, k, m, stages * k))
            code.append(Load(Memory.WEIGHT, copy * k, stage * k, k))
            begin = kernels[copy, result]
            code.append(Gemm(begin, begin + k, m, 1, 1, 0, k, 0))
        code.append(Store(result * m, tile * m, m))
    sizes = [
        ("input", Memory.INPUT, tiles * m * stages * k),
        ("weight", Memory.WEIGHT, stages * k),
        ("output", Memory.OUTPUT, tiles * m),
    ]
    due = cut(products(source, weight), config)
    return Case(link(code, uops, sizes, config), {"input": source, "weight": weight}, {"output": due})


def epilogue(config: VtaConfig, n: int = 6) -> Case:
    """Loaded accumulators plus a bias, shifted, clipped: what requantisation does."""
    values = random_array((2 * n, *config.accumulator.shape), config.accumulator.dtype, 5)
    alone = (1, n, 0, 1, 0, 1)
    code: list[Instruction] = [
        Load(Memory.UOP, 0, 0, 2),
        Load(Memory.ACCUMULATOR, 0, 0, 2 * n),
        Alu(AluOperation.ADD, 0, 1, *alone),  # with the second half
        Alu(AluOperation.ADD, 1, 2, *alone, immediate=-1234),
        Alu(AluOperation.SHIFT, 1, 2, *alone, immediate=9),
        Alu(AluOperation.SHIFT, 1, 2, *alone, immediate=-1),
        Alu(AluOperation.MIN, 1, 2, *alone, immediate=100),
        Alu(AluOperation.MAX, 1, 2, *alone, immediate=-7),
        Store(0, 0, n),
    ]
    sizes = [("values", Memory.ACCUMULATOR, 2 * n), ("output", Memory.OUTPUT, n)]
    total = (values[:n].astype(np.int64) + values[n:] - 1234).astype(np.int32)
    due = cut(np.maximum(np.minimum((total >> 9) << 1, 100), -7), config)
    return Case(link(code, [Uop(0, n), Uop(0, 0)], sizes, config), {"values": values}, {"output": due})


def padded(config: VtaConfig) -> Case:
    """A 3x3 convolution of one block of channels over 4x5 positions with zeros around them."""
    height, width, wide = 4, 5, 7
    source = random_array((height, width, *config.input.shape), config.input.dtype, 6)
    weight = random_array((3, 3, *config.weight.shape), config.weight.dtype, 7)
    uops = [Uop(0, y * wide + x, y * 3 + x) for y in range(3) for x in range(3)] + [Uop(0)]
    code: list[Instruction] = [
        Load(Memory.UOP, 0, 0, 10),
        Gemm(9, 10, height, width, width, 1, reset=True),
        Load(Memory.INPUT, 0, 0, width, height, width, 1, 1, 1, 1),
        Load(Memory.WEIGHT, 0, 0, 9),
        Gemm(0, 9, height, width, width, 1, wide, 1),
        Store(0, 0, width, height, width),
    ]
    sizes = [
        ("input", Memory.INPUT, height * width),
        ("weight", Memory.WEIGHT, 9),
        ("output", Memory.OUTPUT, height * width),
    ]
    around = np.zeros((height + 2, wide, *config.input.shape), np.int64)
    around[1:-1, 1:-1] = source
    total = sum(
        np.einsum("hwbi,oi->hwbo", around[y : y + height, x : x + width], weight[y, x].astype(np.int64))
        for y in range(3)
        for x in range(3)
    )
    due = cut(np.asarray(total), config)
    return Case(link(code, uops, sizes, config), {"input": source, "weight": weight}, {"output": due})


CASES = {"one tile": one_tile, "pipeline": pipeline, "epilogue": epilogue, "padded": padded}
