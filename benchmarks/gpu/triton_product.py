"""A product of float16 matrices in Triton, kept from wgmma: the peer of heron's mma.sync kernels.

Triton takes wgmma on compute capability 9.0 unless DISABLE_MMA_V3 is set, which its compiler asks for each
kernel. That a kernel has mma.sync and no wgmma is read from its PTX. Kernels are compiled ahead, in several
processes, and launched by the driver as heron's are: neither a GPU nor Python's headers are needed to build.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from ctypes import c_int, c_uint64
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from typing import Any

import triton
import triton.language as tl

os.environ["DISABLE_MMA_V3"] = "1"
_SHARED = 227 * 1024
_TILES = ((128, 128, 4), (128, 128, 8), (128, 256, 8), (256, 128, 8), (64, 256, 4), (256, 64, 4),
          (128, 64, 4), (64, 128, 4))  # fmt: skip
_CAPABILITY, _LANES = 90, 32
_POINTERS, _EXTENTS = ("a", "b", "c"), ("m", "n", "k")


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


@dataclass(frozen=True, slots=True)
class Built:
    """Machine code of a configuration and what a launch needs. `extra` parameters follow its own: pointers to
    memory that it has no use for.
    """

    config: Config
    code: bytes
    symbol: str
    shared: int
    extra: int


def build_all(chosen: Sequence[Config], jobs: int) -> tuple[list[Built], list[str]]:
    """What compiles, and why others do not, by several processes."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        every = list(pool.map(build, chosen))
    return [one for one in every if isinstance(one, Built)], [one for one in every if isinstance(one, str)]


def build(config: Config) -> Built | str:
    """Compile for extents that are multiples of 16; why not, where that fails or it is not by mma.sync."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    constants = {"M": config.m, "N": config.n, "K": config.k, "BAND": config.band}
    names = [*_POINTERS, *_EXTENTS, *constants]
    signature = {**dict.fromkeys(_POINTERS, "*fp16"), **dict.fromkeys(_EXTENTS, "i32")}
    whole = {(place,): [["tt.divisibility", 16]] for place in range(len(signature))}
    source = ASTSource(
        fn=_kernel,
        signature={**signature, **dict.fromkeys(constants, "constexpr")},
        constexprs={(names.index(name),): value for name, value in constants.items()},
        attrs=whole,
    )
    options = {"num_warps": config.warps, "num_stages": config.stages}
    try:
        made = triton.compile(source, target=GPUTarget("cuda", _CAPABILITY, _LANES), options=options)
    except Exception as error:  # needs more than a block has; counted by whoever asked
        return f"{config}: {type(error).__name__}: {error}"[:200]
    text = made.asm["ptx"]
    if "mma.sync" not in text or "wgmma" in text:
        return f"{config}: its kernel has wgmma, or no mma.sync"
    entry = text[text.index(".entry") :]
    parameters = entry[: entry.index(")")].count(".param")
    metadata = made.metadata
    return Built(config, made.asm["cubin"], metadata.name, metadata.shared, parameters - len(signature))


def call(built: Built, a: Any, b: Any, c: Any) -> Callable[[], None]:
    """For c = a · bᵀ on PyTorch's current stream; all contiguous, all extents whole tiles."""
    from benchmarks.gpu.mine import stream
    from heron_cli.backends.cuda.driver import Function, Module

    config, (m, k), n = built.config, a.shape, b.shape[0]
    assert m % config.m == n % config.n == k % config.k == 0, f"{config} does not divide {m}×{n}×{k}"
    module = Module(built.code)
    blocks = m // config.m * (n // config.n)
    function = Function(module, built.symbol, (blocks, 1, 1), _LANES * config.warps, built.shared)
    pointers = [c_uint64(each.data_ptr()) for each in (a, b, c)]
    arguments = [*pointers, *map(c_int, (m, n, k)), *[c_uint64(0)] * built.extra]

    def launch(_kept: Any = (module, a, b, c)) -> None:
        function.launch(stream(), arguments)

    return launch
