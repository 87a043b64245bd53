"""The page: a row a workload, a geometric mean a family, and what a reader must know to trust them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

_NOTES = """
Each row is one workload, tuned by `heron tune` (CGA, records of earlier runs on the same machine kind known to it) and
verified element by element against numpy. `ratio` is PyTorch's time over heron's, the faster of the calls that PyTorch
offers (both memory formats for convolutions, `cudnn.benchmark` on), medians of alternating rounds, both replayed as CUDA
graphs on warm caches. `limit` is the larger of arithmetic at the measured product rate and operands at the measured copy
rate, as a share of heron's time; for operands that stay in the L2 cache it can exceed 1.
"""


def write(source: Path, page: Path, notes: Sequence[str] = ()) -> None:
    """Write the page from the JSON lines of a run; `notes` come after the standing ones."""
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    machines = [row for row in rows if row["name"] == "machine"]
    measured = {row["name"]: row for row in rows if "peers" in row}
    failed = {row["name"]: row for row in rows if "error" in row and row["name"] not in measured}
    rate = max(row["matmul 8192, FLOP/s"] for row in machines)
    copy = max(row["copy of 1 GiB, bytes/s"] for row in machines)
    families: dict[str, list[float]] = defaultdict(list)
    lines = []
    for name, row in measured.items():
        best = min(row["peers"], key=lambda each: row["peers"][each])
        ratio = row["peers"][best] / row["seconds"]
        families[name.split("-")[0]].append(ratio)
        limit = max(row["flops"] / rate, row["bytes"] / copy) / row["seconds"]
        lines.append(
            f"| {name} | {row['seconds'] * 1e6:.2f} | {row['peers'][best] * 1e6:.2f} ({best}) | {ratio:.2f} "
            f"| {limit:.2f} | {row['flops'] / row['seconds'] / 1e12:.0f} | {row['variant']} "
            f"| {row['trials']} | {row['invalid']} | {row['spread']:.2f} |"
        )
    every = [ratio for family in families.values() for ratio in family]
    trials, invalid = (sum(row[key] for row in measured.values()) for key in ("trials", "invalid"))
    text = [
        "# TensorCore against cuBLAS and cuDNN",
        "",
        "    python -m benchmarks.tensorcore            # on the GPU machine; then --page FILE writes this page",
        "",
        _NOTES.strip(),
        *(f"\n{note}" for note in notes),
        "",
        *_machine(machines[0]),
        f"- measured ceilings: {rate / 1e12:.0f} TFLOP/s (8192³ product by cuBLAS), {copy / 1e9:.0f} GB/s (copy of 1 GiB)",
        f"- {len(measured)} workloads, {trials} trials, {invalid} invalid",
        "",
        "| family | workloads | geometric mean of ratios | least |",
        "|---|---|---|---|",
        *(f"| {name} | {len(v)} | {_mean(v):.2f} | {min(v):.2f} |" for name, v in families.items()),
        f"| **all** | {len(every)} | **{_mean(every):.2f}** | {min(every):.2f} |",
        "",
        "| workload | heron, µs | PyTorch, µs | ratio | limit | TFLOP/s | variant | trials | invalid | spread |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *lines,
        *(f"| {name} | {row['error']} |" for name, row in failed.items()),
        "",
    ]
    page.write_text("\n".join(text))


def _machine(row: dict[str, Any]) -> Iterable[str]:
    yield f"- {row['gpu']}; driver, clock, temperature, power: {row['driver, clock, temperature, power']}"
    yield f"- PyTorch {row['torch']}, cuDNN {row['cudnn']}; {row['versions']}"


def _mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))
