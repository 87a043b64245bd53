"""The Markdown of benchmarks/results/vta.md, from what is kept in build/vta."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe
from benchmarks.vta import cases
from benchmarks.vta.sampling import SAMPLES
from benchmarks.vta.work import Work, run_of, samples_of

OF_BOUND, OF_SAMPLES, RATE = 0.85, 0.98, 8.0
"""The bars: share of the MAC bound over cases.NARROW, of the best sample on every case, assignments/s."""
_TITLES = {"cga": "CGA", "random": "constrained random", "model-random": "constrained random, ranked by the model"}
_TITLES |= {"ga-repair": "GA, repaired", "ga-penalty": "GA, penalty", "sa": "SA"}
_LABELS = ("CPU", "cores", "system", "Python", "packages", "heron")


def render(folder: Path, seeds: int) -> str:
    """The whole page, of what was measured so far."""
    machine = describe(0)
    lines = [
        "# VTA: modelled cycles",
        "",
        "Written by `python -m benchmarks.vta`; do not edit. Cycles are those of the model in docs/vta.md, not of a",
        "board: they are deterministic, and only the rates depend on the machine. The MAC bound is the cycles of",
        "the GEMM unit at a block product a cycle, channels padded to whole blocks. `random` is the best of",
        f"{SAMPLES:,} uniform samples of the constrained space, drawn with replacement. `hand` is a fixed schedule",
        "in the style of TVM's VTA tutorials, virtual threads = 2 (benchmarks/vta/hand.py). `CGA` is heron's",
        f"search within {cases.BUDGET} trials: the median over seeds, with quartiles. Searches take their cycles",
        "from the same model without executing a program; `heron tune` also verifies in the simulator.",
        "",
        *(f"- {label}: {machine[label]}" for label in _LABELS),
        "",
        "## Layers",
        "",
        *_layers(folder, seeds),
        "",
        "## Bars",
        "",
        *_bars(folder, seeds),
        "",
        "## Methods",
        "",
        "Share of the MAC bound after a number of trials: the median over seeds, with quartiles.",
        "",
    ]
    for target in (cases.MACHINE, cases.TIGHT):
        for name in cases.COMPARED:
            lines += [f"### {name} on {target}", "", *_compared(target, name, folder, seeds), ""]
    return "\n".join(lines)


def _layers(folder: Path, seeds: int) -> list[str]:
    lines = [
        "| workload | MAC bound | CGA cycles | of bound: CGA | random | hand | median sample "
        "| random / CGA | hand / CGA | seeds | assignments/s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in cases.workloads():
        known, best = samples_of(cases.MACHINE, name, folder), _budget(name, folder, seeds)
        if known is None or not best:
            lines.append(f"| {name} | not measured |" + " |" * 9)
            continue
        bound, middle = known["bound"], float(np.median(best))
        cells = [
            name,
            f"{bound:,}",
            f"{middle:,.0f}",
            _quartiles([bound / each for each in best]),
            f"{bound / known['best']:.3f}",
            f"{bound / known['hand']:.3f}",
            f"{bound / known['median']:.3f}",
            f"{known['best'] / middle:.3f}",
            f"{known['hand'] / middle:.3f}",
            str(len(best)),
            f"{known['rate']:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _budget(name: str, folder: Path, seeds: int) -> list[int]:
    """The best of each seed within the bars' budget."""
    work = Work("search", cases.MACHINE, name, "cga", seeds, cases.BUDGET)
    return [min(run["cycles"]) for run in _runs(work, folder)]


def _runs(work: Work, folder: Path) -> list[dict[str, Any]]:
    found = (run_of(work, seed, folder) for seed in range(work.seeds))
    return [run for run in found if run is not None]


def _bars(folder: Path, seeds: int) -> list[str]:
    ratios, shares, rates = {}, {}, {}
    for name in cases.workloads():
        known, best = samples_of(cases.MACHINE, name, folder), _budget(name, folder, seeds)
        if known is not None and len(best) == seeds:
            middle = float(np.median(best))
            ratios[name], shares[name] = known["best"] / middle, known["bound"] / middle
            rates[name] = known["rate"]
    missing = [name for name in cases.workloads() if name not in ratios]
    lines = ["| bar | found | |", "|---|---|---|"]
    narrow = [shares[name] for name in cases.NARROW if name in shares]
    if len(narrow) == len(cases.NARROW):
        mean = math.exp(float(np.mean(np.log(narrow))))
        what = f"geomean over {', '.join(cases.NARROW)} ≥ {OF_BOUND:.2f} of the MAC bound"
        lines.append(f"| {what} | {mean:.3f} | {_met(mean >= OF_BOUND)} |")
    if ratios:
        worst = min(ratios, key=lambda name: ratios[name])
        met = ratios[worst] >= OF_SAMPLES and not missing
        what = f"every workload ≥ {OF_SAMPLES:.2f} of the best of {SAMPLES:,} samples"
        lines.append(f"| {what} | least: {ratios[worst]:.3f} ({worst}) | {_met(met)} |")
        slowest = min(rates, key=lambda name: rates[name])
        met = rates[slowest] >= RATE and not missing
        what = f"≥ {RATE:.0f} assignments a second and core become cycles"
        lines.append(f"| {what} | least: {rates[slowest]:.0f} ({slowest}) | {_met(met)} |")
    if missing:
        lines += ["", f"Not measured with all {seeds} seeds yet: {', '.join(missing)}."]
    return lines


def _met(met: bool) -> str:
    return "met" if met else "**missed**"


def _compared(machine: str, name: str, folder: Path, seeds: int) -> list[str]:
    known = samples_of(machine, name, folder)
    if known is None:
        return ["Not measured."]
    lines = [
        f"Best of {SAMPLES:,} samples: {known['bound'] / known['best']:.3f}; hand: "
        f"{known['bound'] / known['hand']:.3f}; median sample: {known['bound'] / known['median']:.3f}.",
        "",
        "| method | " + " | ".join(f"{count} trials" for count in cases.TRIALS) + " | seeds |",
        "|---|" + "---|" * (len(cases.TRIALS) + 1),
    ]
    for method in cases.METHODS:
        runs = _runs(Work("search", machine, name, method, seeds, cases.TRIALS[-1]), folder)
        if runs:
            cells = [
                _quartiles([known["bound"] / min(run["cycles"][:count]) for run in runs])
                for count in cases.TRIALS
            ]
            lines.append(f"| {_TITLES[method]} | " + " | ".join(cells) + f" | {len(runs)} |")
    return lines


def _quartiles(values: Sequence[float]) -> str:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.3f} ({low:.3f}–{high:.3f})"
