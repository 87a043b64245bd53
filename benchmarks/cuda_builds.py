"""What building a CUDA kernel costs, by NVRTC and by nvcc: python -m benchmarks.cuda_builds [--kernels N].

Builds random candidates of `benchmarks.tensorcore_compile` by either compiler, alternately, and writes
benchmarks/results/cuda-builds.md: processor and wall seconds of a kernel by phase, and what the two make of
the same source. Needs NVRTC and nvcc, no GPU.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks.tensorcore_compile import TARGETS, Plan, drawn
from heron_cli.accelerator.loader import load
from heron_cli.backends.cuda import compile as compiler
from heron_cli.backends.cuda.backend import backend
from heron_cli.machine import Machine
from heron_cli.trial import Candidate

WAYS = ("nvrtc", "nvcc")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one build: of the processor and of the clock, for the source and for the machine code."""

    source: tuple[float, float]
    code: tuple[float, float]
    registers: float
    spilled: bool


def cost(plan: Plan, way: str) -> Cost:
    """Build one candidate by one compiler."""
    spent: list[tuple[float, float]] = []
    compile_it = compiler.to_cubin

    def timed(source: str, arch: str) -> tuple[bytes, dict[str, float]]:
        begin = _now()
        found = compile_it(source, arch)
        spent.append(_since(begin))
        return found

    begin = _now()
    with patch.object(compiler, "to_cubin", timed), _only(way):
        kernel = backend.build(plan.task, Candidate.of(plan.variant.name, plan.values), threads=1)
    whole, (code,) = _since(begin), spent
    source = (whole[0] - code[0], whole[1] - code[1])
    return Cost(source, code, kernel.metrics["registers"], kernel.metrics["spill_bytes"] > 0)


def _only(way: str) -> Any:
    found = compiler.nvrtc()
    assert found is not None, "no NVRTC here"
    return patch.object(compiler, "nvrtc", lambda: found if way == "nvrtc" else None)


def _now() -> tuple[float, float]:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime, time.perf_counter()


def _since(begin: tuple[float, float]) -> tuple[float, float]:
    now = _now()
    return now[0] - begin[0], now[1] - begin[1]


def markdown(costs: Sequence[dict[str, list[Cost]]], command: str) -> str:
    """The page: medians over kernels of the least over rounds."""

    def seconds(way: str, part: Callable[[Cost], float]) -> float:
        return median(min(map(part, each[way])) for each in costs)

    rows = [
        ("TIR and CUDA source", lambda cost: cost.source[0], lambda cost: cost.source[1]),
        ("machine code", lambda cost: cost.code[0], lambda cost: cost.code[1]),
    ]
    lines = [
        "# What building a CUDA kernel costs", "", f"`{command}`", "",
        f"{Machine().cpu_model}; {compiler.compiler()}, {compiler.nvcc()}; {len(costs)} random kernels, "
        f"{len(costs[0]['nvcc'])} rounds, alternately; other work on the machine.", "",
        "Seconds: medians over kernels of the faster round.", "",
        "| phase | NVRTC, processor | clock | nvcc, processor | clock |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for name, processor, clock in rows:
        cells = [f"{seconds(way, part):.2f}" for way in WAYS for part in (processor, clock)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    ratios = [min(c.code[0] for c in each["nvcc"]) / min(c.code[0] for c in each["nvrtc"]) for each in costs]
    differ = [each["nvrtc"][0].registers - each["nvcc"][0].registers for each in costs]
    spilled = {way: sum(each[way][0].spilled for each in costs) for way in WAYS}
    other = [each for each in differ if each]
    registers = (
        f"differ in {len(other)} kernels, by {min(other):+.0f} to {max(other):+.0f}" if other else "agree"
    )
    return "\n".join([
        *lines, "",
        f"nvcc takes {median(ratios):.1f} times as much of the processor for machine code (median; from "
        f"{min(ratios):.1f} to {max(ratios):.1f}), without cuda_fp16.h and its like; neither reads them.", "",
        f"Of the same source, the registers of both {registers}; {spilled['nvrtc']} and {spilled['nvcc']} "
        "kernels spill.", "",
    ])  # fmt: skip


def main() -> None:
    """Build, alternately; write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernels", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/cuda-builds.md"))
    options = parser.parse_args()
    plans = [plan for target in TARGETS for plan in drawn(load(target), 1, 11)]
    plans = plans[:: max(1, len(plans) // options.kernels)][: options.kernels]
    cost(plans[0], "nvrtc")  # loads TVM and NVRTC
    costs: list[dict[str, list[Cost]]] = [{way: [] for way in WAYS} for _ in plans]
    for _ in range(options.rounds):
        for plan, found in zip(plans, costs, strict=True):
            for way in WAYS:
                found[way].append(cost(plan, way))
    command = f"python -m benchmarks.cuda_builds --kernels {options.kernels} --rounds {options.rounds}"
    options.out.write_text(markdown(costs, command))


if __name__ == "__main__":
    main()
