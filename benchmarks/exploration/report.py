"""The Markdown of benchmarks/results/exploration.md, from the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.exploration.runs import WARM, WARM_METHODS
from benchmarks.exploration.statistics import Run, geomean, paired, trials_to
from benchmarks.exploration.validity import Validity

SHARE, NEARLY = 0.95, 0.99
BARS = {"model-random": 2.0, "random": 4.0}  # trials of these over trials of CGA
MEASURED_ALONE = {"model-random-blind": 2.0}  # the same against random search without the analytic model
TRANSFER_BAR = 5.0

Chosen = dict[str, list[Run]]


def best_known(runs: Sequence[Run], goals: Mapping[str, int | None]) -> dict[str, float]:
    """The least cost by bed: what was known before, or what a run found."""
    found: dict[str, float] = {}
    for run in runs:
        known = goals.get(run.bed) or float("inf")
        found[run.bed] = min(found.get(run.bed, float("inf")), float(known), min(run.costs))
    return found


def needed(
    runs: Sequence[Run], best: Mapping[str, float], methods: Sequence[str], reference: str = "cga"
) -> list[str]:
    """Trials to a share of the best known: per bed the geometric mean over seeds, and the ratio to the
    reference's, paired by bed and seed; of trials to `NEARLY` only the latter. Equal methods in one row.
    """
    beds = list(dict.fromkeys(run.bed for run in runs))
    ratio = f"| geomean | × {reference}'s | p "
    lines = [
        "| method | " + " | ".join(beds) + f" {ratio}| {NEARLY:.0%}: {ratio[2:]}|",
        "|---|" + "---|" * (len(beds) + 6),
    ]
    rows: dict[str, list[str]] = {}
    for method in methods:
        mine = [run for run in runs if run.method == method]
        if not mine:
            continue
        cells = [_cell([run for run in mine if run.bed == bed], best[bed]) for bed in beds]
        cells += [
            text for share in (SHARE, NEARLY) for text in _against(runs, best, method, reference, share)
        ]
        rows.setdefault(" | ".join(cells), []).append(method)
    return [*lines, *(f"| {', '.join(names)} | {cells} |" for cells, names in rows.items())]


def _against(
    runs: Sequence[Run], best: Mapping[str, float], method: str, reference: str, share: float
) -> tuple[str, str, str]:
    """The geometric mean of all beds, over the reference's, and how likely that is chance."""
    mine, own = (_trials(runs, best, name, share) for name in (method, reference))
    shared = sorted(set(mine) & set(own))
    ratio = geomean([mine[key] / own[key] for key in shared])
    p = paired([mine[key] for key in shared], [own[key] for key in shared])
    return f"{geomean(list(mine.values())):.1f}", f"{ratio:.2f}", "" if mine == own else f"{p:.1e}"


def _trials(
    runs: Sequence[Run], best: Mapping[str, float], method: str, share: float = SHARE
) -> dict[tuple[str, int], float]:
    return {(run.bed, run.seed): trials_to(run, best[run.bed], share) for run in runs if run.method == method}


def _cell(runs: Sequence[Run], best: float, share: float = SHARE) -> str:
    if not runs:
        return ""
    failed = sum(run.reaches(best / share) is None for run in runs)
    text = f"{geomean([trials_to(run, best, share) for run in runs]):.1f}"
    return f"{text} ({failed}/{len(runs)} never)" if failed else text


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
    others: Mapping[str, float] = BARS,
) -> list[str]:
    """One line per bar: met or missed by `own`."""
    mine, lines = _trials(runs, best, own, share), []
    for method, bar in others.items():
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
    most = min(run.budget for run in runs if run.method in WARM_METHODS)
    runs = [replace(run, budget=min(run.budget, most), costs=run.costs[:most]) for run in runs]
    pairs = [(cold, warm) for warm, cold in WARM_METHODS.items() if any(run.method == warm for run in runs)]
    methods = [method for pair in reversed(pairs) for method in pair]
    beds = dict.fromkeys(run.bed for run in runs if run.method == WARM)
    lines = ["| layer | " + " | ".join(methods) + " |", "|---|" + "---|" * len(methods)]
    for bed in beds:
        cells = [_cell([r for r in runs if r.bed == bed and r.method == m], best[bed]) for m in methods]
        lines.append(f"| {bed} | " + " | ".join(cells) + " |")
    for share in (SHARE, NEARLY):
        found = [_trials(runs, best, method, share) for method in methods]
        cells = [f"{geomean(list(each.values())):.1f}" if each else "" for each in found]
        lines.append(f"| geomean, to {share:.0%} | " + " | ".join(cells) + " |")
    lines.append("")
    for told, method in [(told, cold) for cold, told in pairs] + [
        (WARM, "cga-unseeded"),
        (WARM, "cga-blind"),
    ]:
        cold, warm = _trials(runs, best, method), _trials(runs, best, told)
        shared = sorted(set(cold) & set(warm))
        if not shared:
            continue
        ratio = geomean([cold[key] / warm[key] for key in shared])
        p = paired([cold[key] for key in shared], [warm[key] for key in shared])
        state = "met" if ratio >= TRANSFER_BAR else "**missed**"
        possible = geomean([cold[key] for key in shared])
        limit = "" if possible >= TRANSFER_BAR else f" (no more than {possible:.1f}× is possible: one trial)"
        lines.append(
            f"* `{told}` needs {ratio:.1f}× fewer trials than `{method}` (p = {p:.1e}); "
            f"bar {TRANSFER_BAR:g}×: {state}{limit}."
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
