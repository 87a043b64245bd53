"""The Markdown of benchmarks/results/exploration.md, from the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.exploration.runs import WARM, WARM_UNSEEDED
from benchmarks.exploration.statistics import Run, geomean, paired, quartiles, trials_to
from benchmarks.exploration.validity import Validity

CHECKPOINTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SHARE, NEARLY = 0.95, 0.99
BARS = {"model-random": 2.0, "random": 4.0}  # trials of these over trials of CGA
TRANSFER_BAR = 5.0

Chosen = dict[str, list[Run]]


def best_known(runs: Sequence[Run], goals: Mapping[str, int | None]) -> dict[str, float]:
    """The least cost by bed: what was known before, or what a run found."""
    found: dict[str, float] = {}
    for run in runs:
        known = goals.get(run.bed) or float("inf")
        found[run.bed] = min(found.get(run.bed, float("inf")), float(known), min(run.costs))
    return found


def comparison(
    runs: Sequence[Run],
    best: Mapping[str, float],
    optima: Mapping[str, int | None],
    ticks: Mapping[str, float] | None = None,
) -> list[str]:
    """Curves of every bed, and its best; `ticks` are the seconds of a bed's unit, where it is no cycle."""
    lines: list[str] = []
    for bed in dict.fromkeys(run.bed for run in runs):
        mine = [run for run in runs if run.bed == bed]
        seeds = len({run.seed for run in mine})
        lines += ["", f"### {bed}, {seeds} seeds", "", *_curves(mine, best[bed])]
        kind = "of the whole space (recorded)" if optima.get(bed) else "found by any run"
        cost, unit = best[bed], "cycles" if best[bed] > 1 else "s"
        if ticks and bed in ticks:
            cost, unit = cost * ticks[bed], "s"
        lines += ["", f"Best {kind}: {cost:,.6g} {unit}."]
    return lines


def _curves(runs: Sequence[Run], best: float) -> list[str]:
    most = max(run.budget for run in runs)
    points = [count for count in CHECKPOINTS if count <= most]
    lines = ["| method | " + " | ".join(map(str, points)) + " |", "|---|" + "---|" * len(points)]
    for method in dict.fromkeys(run.method for run in runs):
        mine = [run for run in runs if run.method == method]
        cells = []
        for count in points:
            if count > max(run.budget for run in mine):
                cells.append("")
                continue
            low, middle, high = quartiles(mine, best, count)
            cells.append(f"{middle:.3f} ({low:.2f}–{high:.2f})")
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return lines


def needed(
    runs: Sequence[Run],
    best: Mapping[str, float],
    methods: Sequence[str],
    reference: str = "cga",
    share: float = SHARE,
) -> list[str]:
    """Trials to a share of the best known: per bed the geometric mean over seeds, and the ratio to the
    reference's, paired by bed and seed.
    """
    beds = list(dict.fromkeys(run.bed for run in runs))
    lines = [
        "| method | " + " | ".join(beds) + f" | geomean | × {reference}'s | p |",
        "|---|" + "---|" * (len(beds) + 3),
    ]
    own = _trials(runs, best, reference, share)
    for method in methods:
        mine = _trials(runs, best, method, share)
        if not mine:
            continue
        cells = [
            _cell([r for r in runs if r.bed == bed and r.method == method], best[bed], share) for bed in beds
        ]
        shared = sorted(set(mine) & set(own))
        ratio = geomean([mine[key] / own[key] for key in shared])
        p = paired([mine[key] for key in shared], [own[key] for key in shared])
        lines.append(
            f"| {method} | " + " | ".join(cells) + f" | {geomean(list(mine.values())):.1f} "
            f"| {ratio:.2f} | {'' if method == reference else f'{p:.1e}'} |"
        )
    return lines


def _trials(
    runs: Sequence[Run], best: Mapping[str, float], method: str, share: float = SHARE
) -> dict[tuple[str, int], float]:
    return {(run.bed, run.seed): trials_to(run, best[run.bed], share) for run in runs if run.method == method}


def _cell(runs: Sequence[Run], best: float, share: float = SHARE) -> str:
    if not runs:
        return ""
    failed = sum(run.reaches(best / share) is None for run in runs)
    text = f"{geomean([trials_to(run, best, share) for run in runs]):.1f}"
    return f"{text} ({failed} of {len(runs)} never)" if failed else text


def rarity(runs: Sequence[Run], best: Mapping[str, float]) -> list[str]:
    """How rare good points are, by the runs of constrained random search."""
    result = ["| space | uniform draws within 5 % of the best known |", "|---|---|"]
    for bed in dict.fromkeys(run.bed for run in runs):
        costs = [cost for run in runs if (run.bed, run.method) == (bed, "random") for cost in run.costs]
        good = sum(cost <= best[bed] / SHARE for cost in costs)
        result.append(f"| {bed} | {good} of {len(costs)} |")
    return result


def bars(
    runs: Sequence[Run],
    best: Mapping[str, float],
    own: str = "cga",
    where: str = "all spaces",
    share: float = SHARE,
) -> list[str]:
    """One line per bar: met or missed by `own`."""
    mine, lines = _trials(runs, best, own, share), []
    for method, bar in BARS.items():
        other = _trials(runs, best, method, share)
        shared = sorted(set(mine) & set(other))
        if not shared:
            continue
        ratio = geomean([other[key] / mine[key] for key in shared])
        state = "met" if ratio >= bar else "**missed**"
        lines.append(
            f"* {where}: `{own}` is to need at most 1/{bar:g} of the trials of `{method}` and needs "
            f"1/{ratio:.1f}: {state}."
        )
    return lines


def transferred(runs: Sequence[Run], best: Mapping[str, float]) -> list[str]:
    """Trials to 95 % with and without the other layers' records, all within the trials of the warm runs."""
    most = min(run.budget for run in runs if run.method in (WARM, WARM_UNSEEDED))
    runs = [replace(run, budget=min(run.budget, most), costs=run.costs[:most]) for run in runs]
    warm = _trials(runs, best, WARM)
    lines = [
        "| layer | cold, no roofline at all | cold, no generation 0 | cold "
        "| after other layers, no generation 0 | after other layers |",
        "|---|---|---|---|---|---|",
    ]
    methods = ("cga-blind", "cga-unseeded", "cga", WARM_UNSEEDED, WARM)
    for bed in dict.fromkeys(bed for bed, _ in warm):
        cells = [_cell([r for r in runs if r.bed == bed and r.method == m], best[bed]) for m in methods]
        lines.append(f"| {bed} | " + " | ".join(cells) + " |")
    lines.append("")
    pairs = ((WARM, "cga-blind"), (WARM, "cga-unseeded"), (WARM, "cga"), (WARM_UNSEEDED, "cga-unseeded"))
    for told, method in pairs:
        cold, warm = _trials(runs, best, method), _trials(runs, best, told)
        shared = sorted(set(cold) & set(warm))
        if not shared:
            continue
        ratio = geomean([cold[key] / warm[key] for key in shared])
        p = paired([cold[key] for key in shared], [warm[key] for key in shared])
        state = "met" if ratio >= TRANSFER_BAR else "**missed**"
        lines.append(
            f"* `{told}` needs {ratio:.1f}× fewer trials than `{method}` (p = {p:.1e}); "
            f"bar {TRANSFER_BAR:g}×: {state}."
        )
    return lines


def valid(found: Sequence[Validity]) -> list[str]:
    """The table of validity."""
    lines = [
        "| space | every knob by itself | GA's children | repaired | heron's sampler |",
        "|---|---|---|---|---|",
    ]
    for each in found:
        shares = (each.unconstrained, each.children, each.repaired, each.ours)
        lines.append(f"| {each.bed} | " + " | ".join(f"{share.value:.2%}" for share in shares) + " |")
    return lines
