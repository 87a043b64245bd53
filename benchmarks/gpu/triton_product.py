"""A product of float16 matrices in Triton, kept from wgmma: the peer of heron's mma.sync kernels.

Triton takes wgmma on compute capability 9.0 unless DISABLE_MMA_V3 is set, which its compiler asks for each
kernel. That a kernel has mma.sync and no wgmma is read from its PTX.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from typing import Any

import torch
import triton
import triton.language as tl

os.environ["DISABLE_MMA_V3"] = "1"
_SHARED = 227 * 1024
_TILES = ((128, 128, 4), (128, 128, 8), (128, 256, 8), (256, 128, 8), (64, 256, 4), (256, 64, 4),
          (128, 64, 4), (64, 128, 4))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Config:
    """A block's tile, its warps, its stages, and the rows of tiles that are taken together."""

    m: int
    n: int
    k: int
    warps: int
    stages: int
    band: int

    def __str__(self) -> str:
        return f"{self.m}×{self.n}×{self.k}, {self.warps} warps, {self.stages} stages, band {self.band}"


def configs() -> list[Config]:
    """What is tried: tiles of 64×64 to a warp and smaller ones, as many stages as fit."""
    return [
        Config(m, n, k, warps, stages, band)
        for (m, n, warps), k, stages, band in product(_TILES, (32, 64), (2, 3, 4, 5), (4, 8))
        if (m + n) * k * 2 * (stages - 1) <= _SHARED  # Triton keeps one stage less than it is told
    ]


@triton.jit  # type: ignore[misc]
def _kernel(a, b, c, m, n, k, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, BAND: tl.constexpr):  # type: ignore[no-untyped-def]
    number = tl.program_id(0)
    down, across = m // M, n // N
    first = number // (BAND * across) * BAND
    height = min(down - first, BAND)
    row = first + number % (BAND * across) % height
    column = number % (BAND * across) // height
    i, j, s = row * M + tl.arange(0, M), column * N + tl.arange(0, N), tl.arange(0, K)
    rows, columns = a + i[:, None] * k + s[None, :], b + j[None, :] * k + s[:, None]
    total = tl.zeros((M, N), dtype=tl.float32)
    for _ in range(k // K):
        total = tl.dot(tl.load(rows), tl.load(columns), total)
        rows += K
        columns += K
    tl.store(c + i[:, None] * n + j[None, :], total.to(tl.float16))


def call(config: Config, a: Any, b: Any, c: Any) -> Callable[[], Any]:
    """For c = a · bᵀ, contiguous, all extents whole tiles. The call gives the compiled kernel."""
    (m, k), n = a.shape, b.shape[0]
    assert m % config.m == n % config.n == k % config.k == 0, f"{config} does not divide {m}×{n}×{k}"
    launcher = _kernel[m // config.m * (n // config.n),]
    return lambda: launcher(a, b, c, m, n, k, **_options(config))


def compile_all(chosen: list[Config], jobs: int) -> None:
    """Fill Triton's cache in several processes; what does not compile says so when it is called."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        list(pool.map(_compile, chosen))


def _compile(config: Config) -> str:
    half = torch.float16
    try:
        _kernel.warmup(half, half, half, 4096, 4096, 4096, grid=(1,), **_options(config))
    except Exception as error:  # too many registers or too much shared memory: this one is left out later
        return str(error)
    return ""


def _options(config: Config) -> dict[str, int]:
    return {
        "M": config.m,
        "N": config.n,
        "K": config.k,
        "BAND": config.band,
        "num_warps": config.warps,
        "num_stages": config.stages,
    }


def only_mma_sync(kernel: Any) -> bool:
    """Whether a compiled kernel multiplies by mma.sync alone."""
    text = kernel.asm["ptx"]
    return "mma.sync" in text and "wgmma" not in text
