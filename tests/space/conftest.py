"""Spaces that several tests of this package share."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from heron_cli.space import (
    Evaluator,
    Rows,
    Space,
    SpaceBuilder,
    at_least,
    at_most,
    ceil_div,
    equal,
    product,
    select,
)


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def build_gemm(m: int, n: int, k: int, cache_bytes: int = 1 << 20, registers: int = 32) -> Space:
    """A schedule space of a matrix product: overlap tails on m, exact splits on n and k."""
    b = SpaceBuilder()
    rows = b.knob("register.m", range(1, min(m, registers) + 1), "m")
    outer = sorted({d for r in range(1, min(m, registers) + 1) for d in divisors(-(-m // r))})
    cache_m = b.knob("cache.m", outer, "m")
    parallel_m = b.knob("parallel.m", outer, "m")
    b.require("split m", equal(parallel_m * cache_m, ceil_div(m, rows)), "loop split")
    ns = [b.knob(f"{level}.n", divisors(n), "n") for level in ("parallel", "cache", "register")]
    b.require("split n", equal(product(ns), n), "loop split")
    ks = [b.knob(f"{level}.k", divisors(k), "k") for level in ("cache", "block")]
    ks.append(b.knob("step.k", [d for d in divisors(k) if d <= 4], "k"))
    b.require("split k", equal(product(ks), k), "loop split")
    order = b.knob("order@cache", range(3))
    tile_m = b.derive("tile.m", cache_m * rows)
    tile_n = b.derive("tile.n", ns[1] * ns[2] * 16)
    tile_k = b.derive("tile.k", ks[1] * ks[2] * 4)
    held = [rows * tile_k + tile_n * tile_k, tile_m * tile_k + ns[2] * 16 * tile_k, tile_m * ns[2] * 16 * 4]
    footprint = b.derive("footprint", tile_m * tile_k + tile_n * tile_k + tile_m * tile_n * 4)
    b.require("register budget", at_most(rows * ns[2] + ns[2] + 1, registers), "accelerator.yaml:31:5")
    b.require("last-level cache", at_most(footprint, cache_bytes), "accelerator.yaml:20:5")
    b.require("first-level cache", at_most(select(order, held), cache_bytes // 4), "accelerator.yaml:21:5")
    b.require("some work for two threads", at_least(b.derive("tasks", parallel_m * ns[0]), 2))
    return b.build()


@pytest.fixture
def gemm() -> Callable[..., Space]:
    return build_gemm


@pytest.fixture(scope="session")
def small() -> Space:
    """About a thousand assignments out of some hundred thousand combinations; every rule removes some."""
    return build_gemm(8, 4, 8, cache_bytes=3 << 10, registers=8)


@pytest.fixture(scope="session")
def small_grid(small: Space) -> Rows:
    """Every combination of knob values, valid or not."""
    return np.array(list(itertools.product(*(knob.values for knob in small.knobs))), np.int64)


@pytest.fixture(scope="session")
def small_rows(small: Space, small_grid: Rows) -> Rows:
    return small_grid[Evaluator(small).valid(small_grid)]
