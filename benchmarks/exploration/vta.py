"""The search methods on VTA's spaces, and transfer between its layers: the page's first sections."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine
from benchmarks.exploration import report, runs
from benchmarks.exploration.beds import HELD_OUT, VTA_BEDS, Bed
from benchmarks.exploration.contestants import ABLATIONS, CHANGES, METHODS, SEEDED, UNSEEDED
from benchmarks.exploration.curves import curves

TITLE = f"## Trials to {report.SHARE:.0%} of the best known"
TRANSFER = "## Transfer"
LAYERS = {
    "vta": ("C3", "C5", "C6", "C8", "C11", "C12"),
    "vta-narrow": ("C2", "C3", "C5", "C6", "C8", "C9"),
    "vta-small": ("C2", "C3", "C5", "C6", "C8", "C11"),
}
TOLD = 64  # trials of every other layer
_LABELS = {"CPU", "cores", "system", "Python", "packages", "heron"}


def run(work: Path, seeds: int, trials: int, random_trials: int) -> None:
    """What is missing of the comparison; `random_trials` of random search where a table is recorded."""
    kept = _kept(work)
    for bed in _beds():
        modelled = [method for method in (*METHODS, *ABLATIONS) if method != "random"]
        modelled += CHANGES if bed.optimum is not None else ()
        runs.compare(kept, bed, modelled, seeds, trials)
        runs.compare(kept, bed, ["random"], seeds, 2 * trials if bed.optimum is None else random_trials)


def run_transfer(work: Path, seeds: int, trials: int) -> None:
    """What is missing of the runs with and without other layers' trials."""
    kept = _others(work)
    for layers in _layers():
        runs.transfer(kept, layers, seeds, trials, TOLD)
        for layer in layers:
            runs.compare(kept, layer, ["cga", "cga-unseeded", "cga-blind"], seeds, trials)


def head(work: Path) -> list[str]:
    """What stands before the first section."""
    kept = _kept(work).all
    budgets = sorted({run.budget for run in kept})
    return [
        "# Search methods compared",
        "",
        f"First sections written on {time.strftime('%Y-%m-%d')}.",
        *_HOW,
        f"Budgets in trials: {', '.join(map(str, budgets))} (the largest for `random`).",
        f"Seeds: {runs.seeds_by_bed(kept)}.",
        "",
        *(f"* {label}: {text}" for label, text in machine.describe(0).items() if label in _LABELS),
        "",
        f"Held out: {', '.join(HELD_OUT)} were not looked at while the search was changed; C11, C3, C6",
        "and C5 of `vta` were.",
        "",
        *_WHY,
    ]


_HOW = """
Written by `python -m benchmarks.exploration`, which runs what is missing; `--parts` for single sections. On
VTA's spaces the cost is the timing model's cycles, which any machine repeats: where a whole space is
recorded (`benchmarks/exploration/tables`) from there, else computed. All methods see as many assignments a
round and are measured in batches of 16. A run that came within 1 % of the best known (of the recorded
space, or of a long run with another seed, `best-known.json`) is over; its curve stays where it ended. Kept
runs are tried again before they are used: what the present code does not repeat is dropped.
""".strip().splitlines()

_WHY = """
What is missed below, and why:

* **Half the trials of `model-random`** is met on DL Boost, missed on VTA. `model-random` has the same cost
  model, and before the first trial that is the analytic estimate. On VTA the estimate, or a seed that the
  solver makes of it, is within 5 % of the best in the first batch of 16, before anything can have evolved;
  so are random draws that the estimate ranks, and there is no half to be gained. Against
  `model-random-blind`, which learns from measurements alone, as peers do, the bar is judged on lines of its
  own: it is met on VTA, too. On DL Boost there is no estimate, and most of the ratio is generation 0's: on
  conv2d 28² its first tile is within 5 % of the best. Without that space `cga` needs 1/1.4 of the trials of
  `model-random` and 1/2.1 of those of `random`. To 99 % of the least time of some 3,000 points, noise
  included, 71 of 96 runs never come.
* **A quarter of the trials of `random`** is missed where uniform draws are good enough: on the held-out
  spaces of VTA, to 99 % on DL Boost, and on its regression, where noise makes no point the best: `random`
  needs 6 trials there, `cga` 1.8.
* **A fifth of the trials with transfer** is missed where a cold search needs fewer than five: less than one
  is not possible. Without an analytic model, where cold searches are long, other layers save most of the
  trials (`cga-blind`: 3.7 to 5.6 times fewer; on DL Boost `cga-unseeded`: 3.7, on its regression 2.4). On DL
  Boost they save `cga` nothing: its generation 0 is as good.

What was changed because of these bars: batches of several kinds; the estimate as the model before the first
trial; refinements among the children; generation 0 in the first batch only; seeds in the order of what
other shapes taught; half of that believed, and tiles as shares of the work where there is no estimate; and,
since DL Boost was measured (on a Xeon, before), half of each batch there for sizes of tiles that were not
tried. Before, one of its searches of gemm 16×4096×1024 spent 224 of 256 trials on four tiles, none of them
the best, and on a regression of those points 2 of 10 never came within 10 % of it; then all did, and to 99 %
the four spaces took about 55 trials instead of about 70.
""".strip().splitlines()

_SHIPPED = """
All but the last have the same cost model, of which the analytic part (estimate, features, kinds) is not
learned. `model-random-blind` is what peers call model-ranked random search: the same trees on knobs and
sizes of tiles, without estimate, roofline features or seeds, so that what it knows of the machine is what
it measured.
""".strip().splitlines()

_TOLD = f"""
CGA on each layer after {TOLD} trials of CGA without generation 0 (`cga-blind` after those of `cga-blind`)
on each of the other layers of the table. Nothing here is held out: `vta` and `vta-narrow` were looked at
when it was chosen how far what other layers taught is believed, and all three when tiles became shares of
the work.
""".strip().splitlines()


def section(work: Path) -> list[str]:
    """The comparison on VTA."""
    kept, beds = _kept(work).all, _beds()
    best = report.best_known([*kept, *_others(work).all], {bed.name: bed.goal for bed in beds})
    held = [run for run in kept if run.bed in HELD_OUT]
    recorded = {bed.name for bed in beds if bed.optimum is not None}
    return [
        TITLE,
        "",
        "Geometric means over seeds. A run that never got there counts twice its budget. The ratios are",
        "geometric means over pairs of the same space and seed; p: Wilcoxon's signed-rank test on those",
        "pairs. Runs that share a deterministic generation 0 are not independent, so p says less there.",
        "The last three columns are of trials to 99 %. Methods whose numbers are all equal share a row.",
        "",
        "### As they ship: generation 0 for the methods that evolve or walk, none for random search",
        "",
        *_SHIPPED,
        "",
        *report.needed(kept, best, (*METHODS, "model-random-blind")),
        "",
        "With the same cost model, analytic part included, as the bar is meant:",
        "",
        *report.bars(kept, best),
        *report.bars(held, best, where="held-out spaces alone"),
        "",
        "Against a cost model that learns from measurements alone:",
        "",
        *report.bars(kept, best, others=report.MEASURED_ALONE),
        *report.bars(held, best, where="held-out spaces alone", others=report.MEASURED_ALONE),
        "",
        "### Everyone with generation 0",
        "",
        "Where these rows are equal, the advantage above is that of generation 0, not of evolution.",
        "",
        *report.needed(kept, best, ("cga", "ga-repair", "ga-penalty", "sa", *SEEDED)),
        "",
        "### No one with generation 0",
        "",
        "`cga-blind` lacks the analytic part of the cost model as well.",
        "",
        *report.needed(
            kept,
            best,
            (*UNSEEDED, "model-random", "cga-blind", "model-random-blind", "random"),
            "cga-unseeded",
        ),
        "",
        *report.bars(kept, best, "cga-unseeded"),
        *report.bars(kept, best, "cga-blind", others=report.MEASURED_ALONE),
        "",
        "All but `random` and the blind start from the estimate, which ranks what they draw or breed for",
        "the first batch. What evolution adds where that is not enough is told below.",
        "",
        "### What was changed, and what it brought",
        "",
        "All but a quarter of a batch is of kinds that the roofline tells apart and that were not tried",
        "(`cga-siblings`: not so), and the trees learn what the estimate gets wrong, which is the model",
        "before the first trial (`cga-direct`: the cost itself, no model then). `cga-before` has neither.",
        "",
        *report.needed(
            [run for run in kept if run.bed in recorded], best, ("cga-unseeded", *CHANGES), "cga-unseeded"
        ),
        "",
        "### Best so far on VTA",
        "",
        "Share of the best known speed after so many trials: median over seeds (lower to upper quartile).",
        "",
        *curves(
            kept,
            best,
            (*METHODS, "cga-unseeded", "cga-blind", "model-random-blind"),
            {bed.name: bed.optimum for bed in beds},
        ),
    ]


def transfer(work: Path) -> list[str]:
    """The section on what other layers' trials are worth."""
    kept = _others(work).all
    lines = [TRANSFER, "", *_TOLD]
    for layers in _layers():
        names = {bed.name for bed in layers}
        mine = [run for run in kept if run.bed in names]
        best = report.best_known([*mine, *_kept(work).all], {bed.name: bed.goal for bed in layers})
        lines += ["", f"### On {layers[0].machine}", "", *report.transferred(mine, best)]
    return lines


def _kept(work: Path) -> runs.Runs:
    return runs.Runs(work / "vta.jsonl")


def _others(work: Path) -> runs.Runs:
    return runs.Runs(work / "transfer.jsonl")


def _beds() -> Sequence[Bed]:
    return [Bed(*pair) for pair in VTA_BEDS]


def _layers() -> Sequence[Sequence[Bed]]:
    return [[Bed(name, layer) for layer in layers] for name, layers in LAYERS.items()]
