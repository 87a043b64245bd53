"""Sampling speed on realistic spaces: python benchmarks/space_sampling.py [--rows N] [--solves N].

Prints per space: how long the tables take, valid rows per second on one core, the share of proposals that are
valid, offspring per second, and milliseconds per CP-SAT solve and per analytic optimum.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from heron_cli.space import (
    CpBackend,
    Evaluator,
    Expression,
    Space,
    SpaceBuilder,
    TableSampler,
    Var,
    at_most,
    ceil_div,
    equal,
    product,
    select,
    size,
)


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


class Axes:
    """Splits axes into levels; tile(axis, level) is the length from that level inwards."""

    def __init__(self) -> None:
        self.builder = SpaceBuilder()
        self.factors: dict[str, dict[str, Expression]] = {}

    def exact(self, axis: str, extent: int, levels: list[str], at_most_inner: int | None = None) -> None:
        names = [f"{level}.{axis}" for level in levels]
        domains = [divisors(extent) for _ in levels]
        if at_most_inner:
            domains[-1] = [d for d in domains[-1] if d <= at_most_inner]
        knobs = [self.builder.knob(n, d, axis) for n, d in zip(names, domains, strict=True)]
        self.builder.require(f"split {axis}", equal(product(knobs), extent))
        self.factors[axis] = dict(zip(levels, knobs, strict=True))

    def overlapped(self, axis: str, extent: int, levels: list[str], registers: int) -> None:
        inner = range(1, min(extent, registers) + 1)
        outer = sorted({d for r in inner for d in divisors(-(-extent // r))})
        tile = self.builder.knob(f"{levels[-1]}.{axis}", inner, axis)
        knobs = [self.builder.knob(f"{level}.{axis}", outer, axis) for level in levels[:-1]]
        self.builder.require(f"split {axis}", equal(product(knobs), ceil_div(extent, tile)))
        self.factors[axis] = dict(zip(levels, [*knobs, tile], strict=True))

    def tile(self, axis: str, level: str) -> Expression:
        levels = list(self.factors[axis])
        return product([self.factors[axis][name] for name in levels[levels.index(level) :]])


def gemm(m: int, n: int, k: int) -> Space:
    axes = Axes()
    b = axes.builder
    axes.overlapped("m", m, ["parallel", "cache", "register"], 31)
    axes.exact("n", n // 16, ["parallel", "cache", "register"])
    axes.exact("k", k // 4, ["outer", "cache", "step"], at_most_inner=4)
    order, pack_at = b.knob("order@cache", range(3)), b.knob("pack@", range(3))
    b.knob("unroll", range(3))
    rm, rn = axes.factors["m"]["register"], axes.factors["n"]["register"]
    tm, tn, tk = axes.tile("m", "cache"), axes.tile("n", "cache") * 16, axes.tile("k", "cache") * 4
    b.require("register budget", at_most(rm * rn + rn + 1, 32))
    footprint = b.derive("footprint", tm * tk + tn * tk + tm * tn * 4)
    b.require("last-level cache", at_most(footprint, 1 << 20))
    working = [rm * tk + tn * tk, tm * tk + rn * 16 * tk, rm * tk + rn * 16 * tk + tm * tn * 4]
    b.require("first-level cache", at_most(select(order, working), 48 << 10))
    b.require("packed operand", at_most(select(pack_at, [0, tm * tk, m * tk]), 256 << 10))
    return b.build()


def conv(h: int, w: int, channels: int, filters: int, window: int, stride: int) -> Space:
    axes = Axes()
    b = axes.builder
    axes.exact("h", h, ["parallel", "cache", "register"])
    axes.overlapped("w", w, ["parallel", "cache", "register"], 31)
    axes.exact("n", filters // 16, ["parallel", "cache", "register"])
    axes.exact("c", channels // 4, ["outer", "cache", "step"], at_most_inner=4)
    for axis in ("kh", "kw"):
        axes.exact(axis, window, ["cache", "step"])
    order, pad_at = b.knob("order@cache", range(6)), b.knob("pad@", range(3))
    b.knob("unroll", range(3))
    rh, rw, rn = (axes.factors[axis]["register"] for axis in "hwn")
    th, tw, tn = axes.tile("h", "cache"), axes.tile("w", "cache"), axes.tile("n", "cache") * 16
    tc, kh, kw = axes.tile("c", "cache") * 4, axes.tile("kh", "cache"), axes.tile("kw", "cache")
    rows = b.derive("pad.h", (th - 1) * stride + kh)
    columns = b.derive("pad.w", (tw - 1) * stride + kw)
    b.require("register budget", at_most(rh * rw * rn + rn + 1, 32))
    weights = tn * tc * kh * kw
    footprint = b.derive("footprint", rows * columns * tc + weights + th * tw * tn * 4)
    b.require("last-level cache", at_most(footprint, 1 << 20))
    patch = ((rh - 1) * stride + kh) * ((rw - 1) * stride + kw) * tc
    working = [patch + weights, patch + weights, rows * columns * tc, rows * columns * tc, weights, footprint]
    b.require("first-level cache", at_most(select(order, working), 48 << 10))
    padded = [
        (h * stride + window) * (w * stride + window) * channels,
        rows * columns * channels,
        rows * columns * tc,
    ]
    b.require("padded input", at_most(select(pad_at, padded), 512 << 10))
    return b.build()


SPACES = {
    "gemm 1024x1024x1024": lambda: gemm(1024, 1024, 1024),
    "gemm 1000x1008x1000": lambda: gemm(1000, 1008, 1000),
    "gemm 12544x64x148": lambda: gemm(12544, 64, 148),
    "conv 56x56 64->64 3x3": lambda: conv(56, 56, 64, 64, 3, 1),
    "conv 14x14 256->256 3x3": lambda: conv(14, 14, 256, 256, 3, 1),
}


def report(name: str, space: Space, rows: int, solves: int) -> None:
    rng = np.random.default_rng(0)
    start = time.perf_counter()
    sampler = TableSampler(space)
    built = time.perf_counter() - start
    start = time.perf_counter()
    drawn = sampler.sample(rows, rng)
    rate = rows / (time.perf_counter() - start)
    assert Evaluator(space).valid(drawn).all()
    pairs = drawn[:400].reshape(200, 2, -1)
    kept = np.argsort(rng.random((200, pairs.shape[2])), axis=1) < 8
    start = time.perf_counter()
    sampler.offspring(pairs, kept, pairs[:, 0], rng)
    crossings = 200 / (time.perf_counter() - start)
    backend = CpBackend(space)
    backend.solve(rng)
    start = time.perf_counter()
    for _ in range(solves):
        backend.draw(rng)
    solve = (time.perf_counter() - start) / solves
    start = time.perf_counter()
    traffic = Var("parallel.n") * 64 - Var("footprint")
    optimum = backend.minimise(traffic)
    optimise = time.perf_counter() - start
    assert optimum is not None
    print(
        f"{name:24} size {size(space)!s:36} tables {built * 1e3:4.0f} ms  {rate:9,.0f} valid/s  "
        f"acceptance {sampler.acceptance:.3f}  offspring/s {crossings:6,.0f}  "
        f"CP-SAT {solve * 1e3:.2f} ms  "
        f"optimum {optimise * 1e3:.0f} ms{'' if optimum.objective == optimum.bound else ' (not proven)'}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--solves", type=int, default=100)
    options = parser.parse_args()
    for name, build in SPACES.items():
        report(name, build(), options.rows, options.solves)


if __name__ == "__main__":
    main()
