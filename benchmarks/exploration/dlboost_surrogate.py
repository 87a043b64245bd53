"""The search methods on DL Boost's spaces with a regression on their measured points for the cost.

    python -m benchmarks.exploration.dlboost_surrogate          # 20 minutes of one core, no hardware

Every method and any number of seeds can be run on it, with what was changed since the points were measured.
It is no measurement. Runs are kept in --work as they end; the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import sections
from benchmarks.exploration import dlboost, recorded, report, runs, taught
from benchmarks.exploration.beds import X86_BEDS, X86_TOLD, Bed
from benchmarks.exploration.contestants import BLIND, SEEDED, UNSEEDED, CgaPlaced, CgaUnrefined
from benchmarks.exploration.curves import curves
from benchmarks.exploration.measured import MeasuredBed
from benchmarks.exploration.objectives import CgaRanking
from benchmarks.exploration.points import Points
from benchmarks.exploration.side_by_side import TOLD_TRIALS, prior_of
from benchmarks.exploration.statistics import Run
from benchmarks.exploration.surrogate import TICK, RegressionBed, Truth, columns
from heron_cli.session.spaces import bare_spaces
from heron_cli.trial import Candidate, Measurement

TITLE = "## DL Boost, on a regression"
POINTS = "dlboost-points.db"  # of a machine with DL Boost; what transfer learns from
WITH_SEEDS = ("cga", CgaPlaced.name, "ga-repair", *SEEDED)
WITHOUT = (*UNSEEDED, CgaUnrefined.name, CgaRanking.name, "model-random", "random")
METHODS = tuple(dict.fromkeys((*dlboost.COMPARED, *WITH_SEEDS, *WITHOUT, *BLIND)))


@dataclass
class DlBoostSurrogate(RegressionBed):
    """A space of X86_BEDS; `machine` is the target, `layer` the space's name."""

    @cached_property
    def _measured(self) -> MeasuredBed:
        (found,) = [each for each in X86_BEDS if each[0] == self.layer]
        return MeasuredBed(*found, target=self.machine)

    @cached_property
    def task(self) -> Any:
        """The workload's task on one thread."""
        return self._measured.task

    @property
    def operator(self) -> str:
        """The workload's operator."""
        return self._measured.operator

    @cached_property
    def points(self) -> Mapping[str, list[tuple[Mapping[str, int], Measurement]]]:
        """The recorded values and measurements of each variant that nothing disturbed.

        Candidates of one program have the time of the first: those of one that was disturbed are left out.
        """
        found: dict[str, list[tuple[Mapping[str, int], Measurement]]] = {}
        disturbed = {each.seconds for each in self.recorded.values() if recorded.disturbed(each)}
        for candidate, each in self.recorded.items():
            if each.seconds is not None and each.seconds not in disturbed:
                found.setdefault(candidate.variant, []).append((candidate.values, each))
        return found

    @cached_property
    def recorded(self) -> Mapping[Candidate, Measurement]:
        """All points of the table."""
        return recorded.read(recorded.path_of(self._measured), self._measured)

    @cached_property
    def truth(self) -> Truth:
        """What the seconds are where nothing disturbs them."""
        spaces = {space.name: space for space in bare_spaces(self.task)}
        parts = []
        for name, points in self.points.items():
            space = spaces[name]
            rows = space.rows([values for values, _ in points])
            seconds = np.array([each.seconds for _, each in points], dtype=np.float64)
            parts.append((columns(space, rows), np.log(seconds) - np.log(space.base(rows))))
        found = Truth.fit(parts, 0.0, np.ones((sum(len(labels) for _, labels in parts), 1)))
        return replace(found, level=float(found.regression.coefficients[0]))


def beds(only: str = "") -> list[DlBoostSurrogate]:
    """The spaces whose name contains `only`."""
    return [DlBoostSurrogate("dlboost", name) for name, _, _ in X86_BEDS if only in name]


def run(work: Path, seeds: int, trials: int, only: str = "") -> None:
    """What is missing; seed by seed over all beds, so that a run cut short is a fair comparison, too."""
    kept, found = _kept(work), beds(only)
    for seed in range(1, seeds + 1):
        for bed in found:
            runs.compare(kept, bed, METHODS, seed, trials)
    if (work / POINTS).exists():
        _transfer(kept, found, work / POINTS, seeds)


def _transfer(kept: runs.Runs, found: Sequence[DlBoostSurrogate], path: Path, seeds: int) -> None:
    """Searches after the measured trials of other shapes, on which no regression was fitted."""
    told = [MeasuredBed(*each) for each in X86_TOLD]
    with Points(path) as points:
        priors = {
            operator: prior_of([each for each in told if each.operator == operator], points)
            for operator in {each.operator for each in told}
        }
    for bed in found:
        problem = bed.warm(priors[bed.operator])
        for label in (runs.WARM, runs.WARM_UNSEEDED):

            def search(
                seed: int, bed: Bed = bed, label: str = label, problem: Any = problem
            ) -> Sequence[float]:
                return runs.costs_of(bed.search(runs.WARM_METHODS[label], seed, dlboost.WARM_TRIALS, problem))

            kept.check(bed.name, label, dlboost.WARM_TRIALS, search)
            for seed in range(seeds):
                if not kept.has(bed.name, label, seed, dlboost.WARM_TRIALS):
                    kept.add(Run(bed.name, label, seed, dlboost.WARM_TRIALS, tuple(search(seed))))


def section(work: Path) -> list[str]:
    """The lines of the page."""
    kept, known = _kept(work).all, beds()
    if not kept:
        return [TITLE, "", "No runs."]
    best = report.best_known(kept, {})
    return [
        TITLE,
        "",
        "Written by `python -m benchmarks.exploration.dlboost_surrogate`. No measurement: the cost is a",
        "Gaussian process regression on the points of the section above that nothing disturbed. Where",
        "nothing was measured the truth is the mean, and it is smooth where the machine is not.",
        "",
        *_fits(known, best),
        "",
        f"Seeds: {runs.seeds_by_bed(kept)}; {max(run.budget for run in kept)} trials each.",
        "",
        "As they ship; the last, as peers have it, without what weighs instructions (`cost_per_kilo`):",
        "",
        *report.needed(kept, best, (*dlboost.COMPARED, "model-random-blind")),
        "",
        *_bars(kept, best, "cga"),
        *report.bars(kept, best, others=report.MEASURED_ALONE),
        "",
        "Everyone with generation 0 (`cga-placed`: all seeds measured, whatever the model says of them):",
        "",
        *report.needed(kept, best, WITH_SEEDS),
        "",
        "No one with generation 0:",
        "",
        *report.needed(kept, best, WITHOUT, "cga-unseeded"),
        "",
        *_bars(kept, best, "cga-unseeded"),
        "",
        *report.rarity(kept, best),
        "",
        "### What the first trials teach",
        "",
        "Spearman's correlation of what the model predicts with the cost, on uniform rows",
        f"({taught.ROWS}, mean of {taught.SEEDS} runs), after {' and '.join(map(str, taught.AFTER))} trials",
        "of a method. Seeds are fast, but alike, so `cga` has them measured in a variant's first batch only,",
        "and later where the model chooses them (`cga-placed`: all of them, in any case).",
        "",
        *taught.lines(known),
        "",
        "### Best so far on the regression",
        "",
        "Share of the best known speed after so many trials: median over seeds (lower to upper quartile).",
        "",
        *curves(
            kept,
            best,
            (*dlboost.COMPARED, "model-random-blind"),
            ticks={bed.name: TICK for bed in known},
        ),
        *_transferred(kept, best),
    ]


def _transferred(kept: Sequence[Run], best: Mapping[str, float]) -> list[str]:
    if not any(run.method == runs.WARM for run in kept):
        return []
    return [
        "",
        "### Transfer on the regression",
        "",
        f"After {TOLD_TRIALS} measured trials on each of the operator's other shapes, which are those of the",
        f"section above; all within {dlboost.WARM_TRIALS} trials.",
        "",
        *report.transferred(kept, best),
    ]


def _kept(work: Path) -> runs.Runs:
    return runs.Runs(work / "dlboost-surrogate.jsonl")


def _bars(kept: Sequence[Run], best: Mapping[str, float], own: str) -> list[str]:
    shares = (("all spaces", report.SHARE), (f"all spaces, to {report.NEARLY:.0%}", report.NEARLY))
    return [line for where, share in shares for line in report.bars(kept, best, own, where, share)]


def _fits(known: Sequence[DlBoostSurrogate], best: Mapping[str, float]) -> list[str]:
    """What each regression was told, and how much it explains of what it was not."""
    lines = [
        "| space | points | undisturbed | variance explained of a fifth of these left out "
        "| standard deviation of what it misses | least cost found / least measured |",
        "|---|---|---|---|---|---|",
    ]
    for bed in known:
        fitted = bed.truth.regression
        quiet = [each.seconds or np.inf for points in bed.points.values() for _, each in points]
        found = f"{best[bed.name] * TICK / min(quiet):.2f}" if bed.name in best else ""
        lines.append(
            f"| {bed.layer} | {len(bed.recorded)} | {len(quiet)} "
            f"| {fitted.explained():.0%} | {np.expm1(fitted.missed.std()):.0%} | {found} |"
        )
    return lines


def main() -> None:
    """Run what is missing and write the section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", default="", help="spaces whose name contains this")
    parser.add_argument("--work", type=Path, default=Path("build/exploration"))
    parser.add_argument("--out", type=Path, default=dlboost.RESULTS)
    options = parser.parse_args()
    run(options.work, options.seeds, options.trials, options.only)
    sections.put(options.out, section(options.work), after=dlboost.TITLE)


if __name__ == "__main__":
    main()
