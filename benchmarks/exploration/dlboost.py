"""The search methods on DL Boost, measured: many searches side by side, each on a core of its own.

    python -m benchmarks.exploration.dlboost --until 720            # everything, in 12 minutes of 24 cores
    python -m benchmarks.exploration.dlboost --stage replay         # the same from the tables, no hardware

No point of a space is measured twice: points and finished runs lie in --work, and the same command goes on
where it stopped. Stages: `run` (every method, and the trials that transfer learns from), `transfer`, `table`
(writes exploration/tables), `page` (the section "DL Boost" of --out), `replay` (only when asked for).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from statistics import median

from benchmarks import machine, sections
from benchmarks.dlboost_operators.limits import together
from benchmarks.dlboost_operators.slots import apart, physical
from benchmarks.dlboost_operators.tuning import say
from benchmarks.exploration import recorded, report, side_by_side
from benchmarks.exploration.beds import X86_BEDS, X86_TOLD, unavailable
from benchmarks.exploration.contestants import METHODS, CgaUnseeded
from benchmarks.exploration.curves import curves
from benchmarks.exploration.measured import MeasuredBed, Recorded, search
from benchmarks.exploration.objectives import CgaRanking
from benchmarks.exploration.points import Points
from benchmarks.exploration.runs import WARM, WARM_METHODS, WARM_UNSEEDED, Runs, costs_of
from benchmarks.exploration.side_by_side import TOLD_METHOD, TOLD_SEED, TOLD_TRIALS, Work
from benchmarks.exploration.statistics import Run
from heron_cli.measure.companion import MOST, USUAL
from heron_cli.trial import Measurement

TITLE = "## DL Boost"
STAGES = ("run", "transfer", "table", "page", "replay")
COMPARED = (*METHODS, CgaUnseeded.name, CgaRanking.name)
"""DL Boost's cost model has no estimate to start from: there a model that ranks may be the better one."""
WARM_TRIALS = 64
RESULTS = Path(__file__).parents[1] / "results" / "exploration.md"
_COLD = 0.8  # of --until, where transfer is to be done as well


def main() -> int:
    """Run the stages; 1 when a replay differs from what was measured, 2 where nothing can be measured."""
    options = _options()
    began, stages = time.monotonic(), options.stage or STAGES[:-1]
    if {"run", "transfer"} & set(stages) and (why := unavailable(options.target)):
        print(f"error: {options.target} cannot be measured here: {'; '.join(why)}", file=sys.stderr)
        return 2
    beds, told = _beds(X86_BEDS, options), _beds(X86_TOLD, options)
    kept, points = (
        Runs(options.work / f"{options.target}.jsonl"),
        options.work / f"{options.target}-points.db",
    )
    cores = apart(physical(), together)[: options.jobs]
    if "run" in stages:
        (options.work / f"{options.target}-machine.txt").write_text(_machine(cores[0], len(cores)))
    for stage, work in (("run", _cold(beds, told, options)), ("transfer", _warm(beds, told, options))):
        if stage not in stages:
            continue
        share = _COLD if stage == "run" and "transfer" in stages else 1.0
        todo = [each for each in work if not kept.has(each.bed.name, each.method, each.seed, each.trials)]
        say(f"{stage}: {len(todo)} of {len(work)} searches on {len(cores)} cores")
        side_by_side.run(todo, cores, side_by_side.Plan(points, began + share * options.until), kept.add)
    if "table" in stages:
        with Points(points) as store:
            for bed in beds:
                path = recorded.path_of(bed)
                say(f"{path.name}: {recorded.write(path, bed, store)} points")
    if "page" in stages:
        sections.put(options.out, section(options.work, options.target))
    return _replay(beds, kept, options) if "replay" in stages else 0


def section(work: Path, target: str = "dlboost", otherwise: str = "no runs") -> list[str]:
    """The lines of the page, `otherwise` where nothing was measured."""
    runs = Runs(work / f"{target}.jsonl").all
    names = [name for name, _, _ in X86_BEDS]
    compared = [run for run in runs if run.bed in names]
    if not compared:
        return [TITLE, "", f"Not measured on this machine: {otherwise}."]
    beds = [MeasuredBed(*each, target=target) for each in X86_BEDS if each[0] in {r.bed for r in compared}]
    points = {
        bed.name: list(recorded.read(path, bed).values())
        for bed in beds
        if (path := recorded.path_of(bed)).exists()
    }
    compared = [recorded.undisturbed(run, points.get(run.bed, ())) for run in compared]
    place = work / f"{target}-machine.txt"
    best = report.best_known(compared, {})
    cold = [run for run in compared if run.method not in WARM_METHODS]
    lines = [
        TITLE,
        "",
        "Written by `python -m benchmarks.exploration.dlboost`. Every point is measured once, on a core of",
        "its own, by heron's runner (verified, medians of slices that were not preempted), whatever methods",
        "and seeds come to it: methods do not differ by the noise of a point. The times of a space come from",
        "different cores of one machine. Searches are shown the times as they are. What they found is judged",
        "by points that others did not disturb; the best known is the least time of these.",
        "",
        *(place.read_text().splitlines() if place.exists() else []),
        f"* {len(cold)} runs of {len({run.method for run in cold})} methods, "
        f"{len({run.seed for run in cold})} seeds, {max(run.budget for run in cold)} trials.",
        "",
        *_noise(points),
        "### Trials to 95 % of the best known",
        "",
        *report.needed(cold, best, (*COMPARED, "model-random-blind")),
        "",
        *report.bars(cold, best),
        *report.bars(cold, best, others=report.MEASURED_ALONE),
        *report.bars(cold, best, "cga-unseeded"),
        "",
        "### Best so far on DL Boost",
        "",
        *curves(cold, best, (*COMPARED, "model-random-blind")),
    ]
    if any(run.method == WARM for run in compared):
        shapes = ", ".join(name for name, _, _ in X86_TOLD)
        lines += [
            "",
            "### Transfer on DL Boost",
            "",
            f"After {TOLD_TRIALS} trials of `{TOLD_METHOD}` on each of the operator's shapes of {shapes}.",
            f"All within {min(run.budget for run in compared if run.method == WARM)} trials, cold ones, too.",
            "",
            *report.transferred(compared, best),
        ]
    return lines


def _noise(spaces: Mapping[str, Sequence[Measurement]]) -> list[str]:
    """How far the measured points can be trusted, from what was remarked on them in the tables."""
    rows = []
    for name, points in spaces.items():
        hit = [each for each in points if recorded.disturbed(each)]
        fine = [each for each in points if each.seconds is not None and not recorded.disturbed(each)]
        paces = [pace for each in hit if (pace := recorded.pace(each)) is not None]
        cut = sum(each.reason.startswith("timing cut short") for each in points)
        quiet = min(each.seconds or inf for each in fine)
        least = min(each.seconds for each in points if each.seconds is not None)
        near = sum((each.seconds or inf) <= quiet / report.SHARE for each in fine)
        rows.append(
            f"| {name} | {len(points)} | {len(hit)} ({len(hit) / len(points):.0%}) "
            f"| {median(paces) if paces else 1.0:.2f} | {sum(pace > MOST for pace in paces)} | {cut} "
            f"| {quiet / least - 1.0:.0%} | {near} |"
        )
    if not rows:
        return []
    return [
        "Where a fixed piece of work took over 1.15 times as long as at best, a point was timed in turns",
        "with another kernel; by how many times as long as usual that one took (its pace) was made up for,",
        f"up to {MOST:g}. Above a pace of {USUAL:g} the point counts as disturbed. By what the last column",
        "but one says, the least time of all points is ahead of that of the undisturbed. Cut short: over 1.5",
        "times the best in a few slices. The last column: undisturbed points within 5 % of their best.",
        "",
        f"| space | points | disturbed | median pace of these | above {MOST} | cut short | made up too well "
        "| within 5 % |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def _cold(beds: list[MeasuredBed], told: list[MeasuredBed], options: argparse.Namespace) -> list[Work]:
    """What transfer learns from, then seed by seed, so that a run cut short is a fair comparison, too."""
    first = [Work(bed, TOLD_METHOD, TOLD_SEED, TOLD_TRIALS) for bed in told]
    return first + [
        Work(bed, method, seed, options.trials)
        for seed in range(options.seeds)
        for bed in beds
        for method in options.method or COMPARED
    ]


def _warm(beds: list[MeasuredBed], told: list[MeasuredBed], options: argparse.Namespace) -> list[Work]:
    return [
        Work(bed, method, seed, min(WARM_TRIALS, options.trials), tuple(others))
        for seed in range(options.seeds)
        for bed in beds
        for method in (WARM, WARM_UNSEEDED)
        if (others := [each for each in told if each.operator == bed.operator])
    ]


def _replay(beds: list[MeasuredBed], kept: Runs, options: argparse.Namespace) -> int:
    """Every measured run again, from the tables; without runs, those of the options."""
    differ = 0
    for bed in beds:
        path = recorded.path_of(bed)
        if not path.exists():
            say(f"{bed.name}: no {path.name}; where it can be measured: --stage run --stage table")
            continue
        ask, problem = Recorded(recorded.read(path, bed)), bed.problem()
        for work in _cold([bed], [], options):
            found = costs_of(search(problem, work.method, work.seed, work.trials, ask))
            again = Run(bed.name, work.method, work.seed, work.trials, found)
            same = [run for run in kept.all if replace(run, costs=()) == replace(again, costs=())]
            state = "" if not same else "equal" if same[0] == again else "**differs**"
            differ += state == "**differs**"
            say(f"{bed.name}, {work.method}, seed {work.seed}: {min(found):.4g} {state}")
    return 1 if differ else 0


def _beds(
    given: tuple[tuple[str, str, dict[str, int]], ...], options: argparse.Namespace
) -> list[MeasuredBed]:
    return [MeasuredBed(*each, target=options.target) for each in given if options.only in each[0]]


def _machine(core: int, cores: int) -> str:
    found = machine.describe(core)
    wanted = ("CPU", "caches", "system", "packages", "heron")
    lines = [f"* {label}: {found[label]}" for label in wanted]
    return "\n".join([*lines, f"* {cores} cores at once, one thread each"]) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", choices=STAGES, action="append", help="default: all but replay, in order")
    parser.add_argument("--trials", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--method", action="append", help=f"default: {', '.join(COMPARED)}")
    parser.add_argument("--only", default="", help="spaces whose name contains this")
    parser.add_argument("--target", default="dlboost")
    parser.add_argument("--jobs", type=int, help="physical cores to use (default: all)")
    parser.add_argument("--until", type=float, default=86400, help="seconds after which nothing is begun")
    parser.add_argument("--work", type=Path, default=Path("build/exploration"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
