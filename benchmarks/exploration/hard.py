"""Spaces where good points are rare, and the cost models compared on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.exploration import objectives, report, runs
from benchmarks.exploration.beds import Bed, LenientBed
from benchmarks.exploration.contestants import BLIND
from benchmarks.exploration.curves import curves
from benchmarks.exploration.statistics import Run
from benchmarks.exploration.surrogate import TICK, SurrogateBed

TITLE = "## Where good points are rare: evolution against sampling"
MODELS = "## Cost models compared"
NARROW = ("C2", "C9", "C6")
SURROGATES = ("gemm", "conv2d_transpose", "bmm", "conv3d")
HELD_OUT = (
    "vta-narrow C9",
    "vta-narrow C6",
    "h100 bmm",
    "h100 conv3d",
)  # not looked at while the search changed
METHODS = ("cga-unseeded", "cga-unrefined", "ga-repair-unseeded", "model-random", "random")
SEEDED = ("cga", "cga-placed", "model-random-seeded")


def beds() -> list[Bed]:
    """A machine on which traffic decides, and recorded GPU measurements."""
    return [Bed("vta-narrow", each) for each in NARROW] + [SurrogateBed("h100", each) for each in SURROGATES]


def run(work: Path, seeds: int, trials: int) -> None:
    """What is missing; seed by seed over all beds, so that a run cut short is a fair comparison, too."""
    kept, models = _kept(work), _models(work)
    found = beds()
    lenient = [LenientBed("vta", layer) for layer in ("C2", "C9")]
    for seed in range(1, seeds + 1):
        for bed in found:
            runs.compare(kept, bed, (*METHODS, *BLIND, *SEEDED), seed, trials)
        for bed in found[:4]:
            runs.compare(models, bed, (*objectives.INFORMED, *objectives.BLIND), seed, trials)
        for bed in lenient:
            runs.compare(models, bed, objectives.FAILURES, seed, trials)


def section(work: Path) -> list[str]:
    """Evolution against sampling."""
    kept, best = _kept(work).all, _best(work)
    held = [run for run in kept if run.bed in HELD_OUT]
    regressions = [bed for bed in beds() if isinstance(bed, SurrogateBed)]
    explained = ", ".join(f"{bed.layer} {bed.truth.regression.explained():.0%}" for bed in regressions)
    return [
        TITLE,
        "",
        "On VTA's published machine most layers wait for the multipliers, and all methods are there as soon",
        "as they know anything. Here are spaces where it takes more: three layers on `vta-narrow.yaml` (a",
        "bus of one byte a cycle; exact cycles), and four of the TensorCore's spaces, whose cost is a",
        "Gaussian process regression on the trials recorded on an H100 (share of the variance that it",
        f"explains of a fifth of them left out: {explained}). The latter is no measurement: where",
        "nothing was measured its truth is the estimate.",
        "",
        "No method has seeds unless it says so. All start from the same model, which before the first trial",
        f"is the estimate. Seeds: {runs.seeds_by_bed(kept)}. Held out: {', '.join(HELD_OUT)}.",
        "",
        *report.rarity(kept, best),
        "",
        *report.needed(kept, best, METHODS, "cga-unseeded"),
        "",
        *report.bars(kept, best, "cga-unseeded"),
        *report.bars(held, best, "cga-unseeded", "held-out spaces alone"),
        *report.bars(kept, best, "cga-unseeded", "all spaces, to 99%", report.NEARLY),
        *report.bars(held, best, "cga-unseeded", "held-out spaces alone, to 99%", report.NEARLY),
        "",
        "With seeds, all of them measured whatever the model says (`placed`), and without anything that an",
        "analytic model says (`blind`: neither estimate, features nor kinds):",
        "",
        *report.needed(kept, best, (*SEEDED, "cga-unseeded", *BLIND)),
        "",
        *report.bars(kept, best),
        *report.bars(kept, best, others=report.MEASURED_ALONE),
        "",
        "### Best so far where good points are rare",
        "",
        "Share of the best known after so many trials: median over seeds (lower to upper quartile).",
        "",
        *curves(kept, best, ("cga", *METHODS, *BLIND), ticks={bed.name: TICK for bed in regressions}),
    ]


def models(work: Path) -> list[str]:
    """Cost models compared."""
    kept, best = _models(work).all, _best(work)
    failing = [run for run in kept if "without" in run.bed]
    ranked = [run for run in kept if "without" not in run.bed]
    return [
        MODELS,
        "",
        "Trees that predict the logarithm of cost over estimate, which ships, against LambdaRank; half of a",
        "batch by single members of the ensemble, which ships, against all by their mean (`certain`).",
        "",
        *report.needed(ranked, best, objectives.INFORMED, "cga-unseeded"),
        "",
        "Without the roofline:",
        "",
        *report.needed(ranked, best, objectives.BLIND, "cga-blind"),
        "",
        "Failures: VTA whose file forgot the rules of its memories and fields (C5, C6), so that such",
        "programs do not build. Trained on as worst, which ships, against left out (`forgetful`).",
        "",
        *report.needed(failing, best, objectives.FAILURES, "cga-unseeded"),
        "",
        *_failed(failing),
    ]


def _kept(work: Path) -> runs.Runs:
    return runs.Runs(work / "hard.jsonl")


def _models(work: Path) -> runs.Runs:
    return runs.Runs(work / "models.jsonl")


def _best(work: Path) -> dict[str, float]:
    return report.best_known([*_kept(work).all, *_models(work).all], {bed.name: bed.goal for bed in beds()})


def _failed(kept: Sequence[Run]) -> list[str]:
    """The share of trials that failed, by method."""
    result = ["| method | trials that failed |", "|---|---|"]
    for method in objectives.FAILURES:
        costs = [cost for run in kept if run.method == method for cost in run.costs]
        if costs:
            result.append(f"| {method} | {sum(cost == float('inf') for cost in costs) / len(costs):.0%} |")
    return result
