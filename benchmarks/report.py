"""The Markdown of benchmarks/results/dlboost-first.md, from the measurements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import search_methods
from benchmarks.cases import CASES, GROUPS, Case, Group
from benchmarks.duel import Duel
from benchmarks.ours import PHASES, Tuning
from benchmarks.search_methods import Run
from benchmarks.timing import Ratio, geomean, median_interval, median_seconds


@dataclass(slots=True)
class Results:
    """Everything measured so far, by the name of the case. `failures`: why a case has no kernel."""

    machine: dict[str, str] = field(default_factory=dict)
    budget: str = ""
    tunings: dict[str, Tuning] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    duels: dict[str, list[Duel]] = field(default_factory=dict)
    null: dict[str, list[Duel]] = field(default_factory=dict)  # oneDNN against itself
    unrestricted: dict[str, dict[str, Any]] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)  # "status: reason" of invalid candidates
    runs: list[Run] = field(default_factory=list)


def ratio(duels: Sequence[Duel], clock: str = "cpu") -> Ratio:
    """The median over placements of oneDNN's time / ours; the interval resamples placements."""
    return median_interval([placement.ratio(clock) for duel in duels for placement in duel.placements])


def group_ratios(results: Results, group: Group) -> dict[str, float]:
    """Per measured case of a group, oneDNN's time / ours."""
    names = [case.name for case in CASES if case.group is group and results.duels.get(case.name)]
    return {name: ratio(results.duels[name]).median for name in names}


def failed_bars(results: Results) -> list[str]:
    """One line per bar that was missed, including cases without a kernel and results that are not exact."""
    lines = []
    for group in GROUPS:
        ratios = group_ratios(results, group)
        missing = [c.name for c in CASES if c.group is group and c.name not in ratios]
        lines += [f"{name}: not measured" for name in missing]
        if ratios and (mean := geomean(list(ratios.values()))) < group.geomean:
            lines.append(f"{group.name}: geometric mean {mean:.3f}, bar {group.geomean:.2f}")
        lines += [
            f"{name}: {value:.3f}, bar {group.least:.2f}"
            for name, value in ratios.items()
            if value < group.least
        ]
    for name, duels in results.duels.items():
        if not all(duel.ours_exact for duel in duels):
            lines.append(f"{name}: heron's result is wrong")
        if not all(duel.onednn_exact for duel in duels):
            lines.append(f"{name}: oneDNN's result is wrong")
    return lines


def render(results: Results) -> str:
    """The whole page."""
    sections = [
        ["# DL Boost against oneDNN", "", *_method(results)],
        ["## Bars", "", *_bars(results)],
        ["## Workloads", "", *_workloads(results)],
        ["## Tuning", "", *_tuning(results)],
    ]
    if results.runs:
        sections.append(["## CGA against constrained random search", "", *_search(results.runs)])
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _method(results: Results) -> list[str]:
    return [
        "Written by `python -m benchmarks.dlboost_first`; do not edit.",
        "",
        *(f"- {label}: {text}" for label, text in results.machine.items()),
        f"- budget: {results.budget}",
        "",
        "u8 × s8 → s32 on one pinned thread. Rounds A B A B … of bursts of about 20 ms, by one C loop that",
        "calls either side through a pointer; times are CPU time of the thread, wall clock beside it. Both",
        "sides get the same input and weight; packing the weight is timed on neither side. Where buffers lie",
        "in physical memory moves times by percents, so each workload is measured in several processes with",
        "several placements each. The ratio is the median over placements, each the median of its rounds,",
        "with the 95 % bootstrap interval over placements and, in brackets, their range. The column `null`",
        "is the range of oneDNN against itself, measured in the same way: the noise. `of peak` compares",
        "heron with zmm vpdpbusd on registers, timed in the same processes. oneDNN is limited to AVX-512",
        "VNNI, the instructions of heron's target; the last column is oneDNN without that limit.",
    ]


def _bars(results: Results) -> list[str]:
    lines = ["| group | geomean | bar | least | bar |", "|---|---|---|---|---|"]
    for group in GROUPS:
        ratios = group_ratios(results, group)
        if ratios:
            mean, least = geomean(list(ratios.values())), min(ratios.values())
            cells = f"{mean:.3f} | ≥ {group.geomean:.2f} | {least:.3f} | ≥ {group.least:.2f}"
            lines.append(f"| {group.name} ({len(ratios)}) | {cells} |")
    failures = failed_bars(results)
    lines += ["", "All bars are met." if not failures else "Missed:", *(f"- {text}" for text in failures)]
    return lines


def _workloads(results: Results) -> list[str]:
    lines = [
        "| workload | oneDNN µs | heron µs | oneDNN / heron | wall | null | oneDNN GOPS | heron GOPS "
        "| of peak | exact | oneDNN | oneDNN unrestricted |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_workload(case, results) for case in CASES]
    return lines


def _workload(case: Case, results: Results) -> str:
    duels = results.duels.get(case.name)
    if not duels:
        return f"| {case.name} | {results.failures.get(case.name, 'not measured')} |" + " |" * 10
    found = ratio(duels)
    placements = [placement for duel in duels for placement in duel.placements]
    times = (
        median_seconds([burst for placement in placements for burst in placement.first]),
        median_seconds([burst for placement in placements for burst in placement.second]),
    )
    speeds = [duels[0].operations / time / 1e9 for time in times]
    exact = all(duel.ours_exact and duel.onednn_exact for duel in duels)
    free = results.unrestricted.get(case.name)
    cells = [
        case.name,
        *(f"{time * 1e6:.1f}" for time in times),
        f"**{found.median:.3f}** {found.low:.3f}–{found.high:.3f} ({_range(duels)})",
        f"{ratio(duels, 'wall').median:.3f}",
        _range(results.null.get(case.name, [])),
        *(f"{speed:.0f}" for speed in speeds),
        f"{speeds[1] / max(duel.peak_gops for duel in duels):.2f}",
        "both" if exact else "**no**",
        duels[0].implementation,
        f"{free['median'] * 1e6:.1f} µs, {free['implementation']}" if free else "",
    ]
    return "| " + " | ".join(cells) + " |"


def _range(duels: Sequence[Duel]) -> str:
    ratios = [placement.ratio() for duel in duels for placement in duel.placements]
    return f"{min(ratios):.2f}–{max(ratios):.2f}" if ratios else ""


def _tuning(results: Results) -> list[str]:
    lines = [
        "| workload | trials | invalid | s | trials per minute | "
        + " | ".join(PHASES)
        + " | other | best variant |",
        "|---|" + "---|" * (len(PHASES) + 6),
    ]
    for name, tuning in results.tunings.items():
        shares = _shares(tuning)
        cells = [name, str(tuning.trials), str(tuning.invalid), f"{tuning.wall:.0f}"]
        cells += [f"{60 * tuning.trials / tuning.wall:.0f}", *shares, tuning.variant]
        lines.append("| " + " | ".join(cells) + " |")
    tunings = results.tunings.values()
    trials, wall = sum(t.trials for t in tunings), sum(t.wall for t in tunings)
    if trials:
        invalid = sum(t.invalid for t in tunings)
        lines += [
            "",
            f"In all {trials} trials in {wall / 60:.1f} minutes, {60 * trials / wall:.0f} per minute.",
        ]
        lines += [f"Invalid candidates: {invalid} of {trials}.", ""]
        lines += [f"- {count} × {reason}" for reason, count in Counter(results.rejected).most_common()]
    lines += [
        "Shares are of the command's wall clock, start-up included; phases that overlap can pass 100 %."
    ]
    return lines


def _shares(tuning: Tuning) -> list[str]:
    spent: Mapping[str, float] = tuning.spent
    parts = [spent.get(phase, 0.0) for phase in PHASES]
    return [f"{100 * part / tuning.wall:.0f} %" for part in (*parts, max(0.0, tuning.wall - sum(parts)))]


def _search(runs: Sequence[Run]) -> list[str]:
    lines = [
        "Best time known / best so far (mean over seeds; worst–best seed); 1.000 is the best of all runs."
    ]
    for case in dict.fromkeys(entry.case for entry in runs):
        lines += ["", f"### {case}", "", *search_methods.table(case, runs), ""]
        lines.append(
            "CGA reaches the final result of random search (median seed) after "
            f"{search_methods.trials_to_match(runs, case)} (median seed)."
        )
    return lines
