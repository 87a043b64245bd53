"""How fast heron's spaces are sampled, and whether every sample is valid: writes results/space-sampling.md.

``python -m benchmarks.task_sampling``, from the root of the repository; one thread.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from benchmarks.machine import describe
from heron_cli.accelerator.loader import load
from heron_cli.operators.workload import make
from heron_cli.schedule.task import Task, Variant
from heron_cli.space import CpBackend, TableSampler
from heron_cli.space.size import size

SAMPLES, CHECKED, ROUNDS = 200_000, 100, 5
CONV = {"height": 14, "width": 14, "in_channels": 256, "out_channels": 256, "kernel": 3, "padding": 1}
WORKLOADS = (
    ("gemm 1024³", "gemm", {"m": 1024, "n": 1024, "k": 1024}),
    ("gemm 127×509×1021", "gemm", {"m": 127, "n": 509, "k": 1021}),
    ("conv 14²·256→256 3×3", "conv2d", CONV),
)


def row(name: str, threads: int, variant: Variant) -> str:
    """One line of the table."""
    rng = np.random.default_rng(0)
    begin = time.perf_counter()
    sampler = TableSampler(variant.space)
    sampler.sample(1, rng)
    built = time.perf_counter() - begin
    rates, invalid = [], 0
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        rows = sampler.sample(SAMPLES, rng)
        rates.append(SAMPLES / (time.perf_counter() - begin))
        invalid += int((~variant.evaluator.valid(rows)).sum())
    solver = CpBackend(variant.space)
    refused = 0
    for each in rows[:CHECKED]:
        fixed = {knob: (value,) for knob, value in variant.space.values(each).items()}
        refused += solver.solve(rng, fixed) is None
    points = size(variant.space)
    return (
        f"| {name} | {threads} | {variant.name} | {len(variant.space.knobs)} | {points.value:,.0f} | "
        f"{1e3 * built:.0f} | {np.median(rates):,.0f} | {invalid} of {ROUNDS * SAMPLES:,} | "
        f"{refused} of {CHECKED} |"
    )


def main() -> None:
    """Measure and write the page."""
    accelerator = load("dlboost")
    lines = [
        "# Sampling dlboost's spaces",
        "",
        "Written by `python -m benchmarks.task_sampling`; do not edit. One thread; the rate is the median of",
        f"{ROUNDS} draws of {SAMPLES:,} rows. Samples are uniform over the valid points; the test is in",
        "tests/space/test_sampler.py.",
        "",
        *(f"- {label}: {text}" for label, text in describe(0).items() if label != "oneDNN"),
        "",
        "| workload | threads of the kernel | variant | knobs | valid points | first sample ms | "
        "valid samples/s | invalid (evaluator) | refused (CP-SAT) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, operator, shape in WORKLOADS:
        for threads in (1, 2):
            task = Task(make(operator, shape), accelerator, threads)
            lines += [row(name, threads, variant) for variant in task.variants]
    page = Path(__file__).parent / "results" / "space-sampling.md"
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(page.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
