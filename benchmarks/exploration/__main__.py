"""Compare the search methods, and write benchmarks/results/exploration.md.

    python -m benchmarks.exploration                      # everything; hours
    python -m benchmarks.exploration --trials 64          # shorter

Runs are kept in build/exploration/ as they end; the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks import machine
from benchmarks.exploration import dlboost, dlboost_surrogate, hard, report, runs, seconds
from benchmarks.exploration.beds import HELD_OUT, VTA_BEDS, Bed, unavailable
from benchmarks.exploration.contestants import ABLATIONS, CHANGES, METHODS, SEEDED, UNSEEDED
from benchmarks.exploration.validity import built, validity

RESULTS = Path(__file__).parents[1] / "results" / "exploration.md"
PARTS = ("vta", "hard", "transfer", "dlboost-surrogate")
TRANSFER_LAYERS = ("C3", "C5", "C6", "C8", "C11", "C12")


def main() -> None:
    """Run what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=256, help="of every run with a cost model")
    parser.add_argument("--random-trials", type=int, default=1024, help="of random search on recorded tables")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--hard-seeds", type=int, default=10)
    parser.add_argument("--hard-trials", type=int, default=128)
    parser.add_argument("--transfer-seeds", type=int, default=10)
    parser.add_argument("--transfer-trials", type=int, default=32)
    parser.add_argument("--work", type=Path, default=Path("build/exploration"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument(
        "--parts", nargs="*", choices=PARTS, default=PARTS, help="what to run; none: only report"
    )
    options = parser.parse_args()
    beds = [Bed(*pair) for pair in VTA_BEDS]
    kept = runs.Runs(options.work / "vta.jsonl")
    others = runs.Runs(options.work / "transfer.jsonl")
    layers = [Bed("vta", layer) for layer in TRANSFER_LAYERS]
    if "vta" in options.parts:
        for bed in beds:
            modelled = [method for method in (*METHODS, *ABLATIONS) if method != "random"]
            modelled += CHANGES if bed.optimum is not None else ()
            runs.compare(kept, bed, modelled, options.seeds, options.trials)
            budget = 2 * options.trials if bed.optimum is None else options.random_trials
            runs.compare(kept, bed, ["random"], options.seeds, budget)
    if "hard" in options.parts:
        hard.run(options.work, options.hard_seeds, options.hard_trials)
    if "dlboost-surrogate" in options.parts:
        dlboost_surrogate.run(options.work, options.seeds, options.trials)
    if "transfer" in options.parts:
        runs.transfer(others, layers, options.transfer_seeds, options.transfer_trials, told=64)
        for layer in layers:
            cold = ["cga", "cga-unseeded", "cga-blind"]
            runs.compare(others, layer, cold, options.transfer_seeds, options.transfer_trials)
    optima = {bed.name: bed.optimum for bed in (*beds, *layers)}
    best = report.best_known([*kept.all, *others.all], {b.name: b.goal for b in (*beds, *layers)})
    recorded = {bed.name for bed in beds if bed.optimum is not None}
    budgets = sorted({run.budget for run in kept.all})
    lines = [
        "# Search methods compared",
        "",
        "Written by `python -m benchmarks.exploration "
        f"--trials {options.trials} --seeds {options.seeds} --transfer-trials {options.transfer_trials}`",
        f"on {time.strftime('%Y-%m-%d')}. On VTA's spaces the cost is the timing model's cycles, which",
        "any machine repeats: where a whole space is recorded (`benchmarks/exploration/tables`) from there,",
        "else computed. All methods have the same cost model, see as many assignments a round and are",
        "measured in batches of 16. A run that came within 1 % of the best known (of the recorded space, or",
        "of a long run with another seed, `best-known.json`) is over; its curve stays where it ended.",
        f"Budgets in trials: {', '.join(map(str, budgets))} (the largest for `random`). Seeds: "
        f"{runs.seeds_by_bed([*kept.all, *others.all])}.",
        "",
        *(f"* {label}: {text}" for label, text in machine.describe(0).items() if label in _LABELS),
        "",
        f"Held out: {', '.join(HELD_OUT)} were not looked at while the search was changed; C11, C3, C6",
        "and C5 of `vta` were.",
        "",
        f"## Trials to {report.SHARE:.0%} of the best known",
        "",
        "Geometric means over seeds. A run that never got there counts twice its budget. The ratios are",
        "geometric means over pairs of the same space and seed; p: Wilcoxon's signed-rank test on those",
        "pairs. Runs that share a deterministic generation 0 are not independent, so p says less there.",
        "",
        "### As they ship: generation 0 for the methods that evolve or walk, none for random search",
        "",
        *report.needed(kept.all, best, METHODS),
        "",
        *report.bars(kept.all, best),
        *report.bars([run for run in kept.all if run.bed in HELD_OUT], best, where="held-out spaces alone"),
        "",
        "### Everyone with generation 0",
        "",
        "Where these rows are equal, the advantage above is that of generation 0, not of evolution.",
        "",
        *report.needed(kept.all, best, ("cga", "ga-repair", "ga-penalty", "sa", *SEEDED)),
        "",
        f"The same to {report.NEARLY:.0%}:",
        "",
        *report.needed(
            kept.all, best, ("cga", "ga-repair", "ga-penalty", "sa", *SEEDED), share=report.NEARLY
        ),
        "",
        "### No one with generation 0",
        "",
        "`cga-blind` lacks the roofline in its cost model as well.",
        "",
        *report.needed(
            kept.all, best, (*UNSEEDED, "cga-blind", "model-random", "random"), reference="cga-unseeded"
        ),
        "",
        *report.bars(kept.all, best, "cga-unseeded"),
        "",
        "All but `random` and `cga-blind` start from the estimate, which ranks what they draw or breed for",
        "the first batch. What evolution adds where that is not enough is told below.",
        "",
        "### What was changed, and what it brought",
        "",
        "All but a quarter of a batch is of kinds that the roofline tells apart and that were not tried",
        "(`cga-siblings`: not so), and the trees learn what the estimate gets wrong, which is the model",
        "before the first trial (`cga-direct`: the cost itself, no model then). `cga-before` has neither.",
        "",
        *report.needed(
            [run for run in kept.all if run.bed in recorded],
            best,
            ("cga-unseeded", *CHANGES),
            reference="cga-unseeded",
        ),
        "",
        *hard.lines(options.work),
        "## Transfer",
        "",
        "CGA on each layer after 64 trials of CGA without generation 0 on each of the other layers of",
        "the table. Of these, C5 and C11 were looked at while the search was changed.",
        "",
        *report.transferred(others.all, best),
        "",
        "## Best so far",
        "",
        "Share of the best known speed after so many trials: median over seeds (lower to upper quartile).",
        *report.comparison(kept.all, best, optima),
        "",
        *dlboost.section(options.work, otherwise="; ".join(unavailable()) or "no runs"),
        "",
        *dlboost_surrogate.section(options.work),
        "",
        "## Validity",
        "",
        "Share of valid candidates. MetaSchedule has no schedules for VTA, so it cannot be compared on",
        "these spaces; on others it is below.",
        "",
        *report.valid([validity(bed) for bed in beds]),
        "",
        *built(),
        "",
        *seconds.section(beds, (64, options.trials), seeds=3),
        "",
    ]
    options.out.write_text("\n".join(lines))


_LABELS = {"CPU", "cores", "system", "Python", "packages", "heron"}


if __name__ == "__main__":
    main()
