"""Where the time of a run goes: the last section of benchmarks/results/exploration.md.

    python -m benchmarks.exploration.seconds      # minutes

Real runs of `heron tune`'s default method on VTA, programs built and simulated instead of cycles looked up.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine, sections
from benchmarks.exploration.beds import VTA_BEDS, Bed
from heron_cli import session
from heron_cli.records import Store
from heron_cli.search.spent import Spent
from heron_cli.session import Settings

RESULTS = Path(__file__).parents[1] / "results" / "exploration.md"
SOLVER_BAR = 0.05  # of the wall time
LOADS = 5
_LOADING = """
import time, numpy
{before}
started = time.monotonic()
import ortools.sat.python.cp_model
print(time.monotonic() - started)
"""


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="*", default=(64, 256))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    beds = [Bed(*pair) for pair in VTA_BEDS]
    sections.put(options.out, section(beds, options.trials, options.seeds))


def section(beds: Sequence[Bed], budgets: Sequence[int], seeds: int) -> list[str]:
    """The lines of the section; the driver alone is measured on the first bed."""
    packages = machine.describe(0)
    return [
        "## Where the time goes",
        "",
        f"Written by `python -m benchmarks.exploration.seconds --seeds {seeds}`",
        f"on {time.strftime('%Y-%m-%d')} ({packages['CPU'].partition(' (')[0]}, heron {packages['heron']}).",
        f"Medians of {seeds} seeds; `cga`, the default method.",
        "",
        *_runs(beds, budgets, seeds),
        "",
        "Making the problem (proof that it has a point, bound, seeds) is part of `solve`. These machines",
        "are modelled and answer in milliseconds: the worst case for the solver's share. No hardware was",
        "measured.",
        "",
        f"Loading OR-Tools takes {_loading(''):.2f} s, once a process, and is no part of `solve`;",
        f"{_loading('import lightgbm'):.2f} s where LightGBM, which needs pandas as well, is loaded already.",
        "",
        "The driver alone for 256 trials with costs from the recorded table, in seconds of the processor, as",
        "other work ran on the machine:",
        "",
        *_driver(beds[0]),
    ]


def _runs(beds: Sequence[Bed], budgets: Sequence[int], seeds: int) -> list[str]:
    _run(beds[0], 16, seed=seeds)  # loads what the process needs
    lines = [
        "| run | solve | of which the problem | model | build | simulate | wall | solver's share | bar: 5% |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for bed in beds:
        for trials in budgets:
            runs = [_run(bed, trials, seed) for seed in range(seeds)]
            middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
            names = ("solve", "problem", "model", "build", "measure", "wall")
            cells = [f"{middle[name]:.2f} s" for name in names]
            cells += [f"{middle['share']:.1%}", "met" if middle["share"] < SOLVER_BAR else "**missed**"]
            lines.append(f"| {bed.name}, {trials} trials | " + " | ".join(cells) + " |")
    return lines


def _run(bed: Bed, trials: int, seed: int) -> dict[str, float]:
    """Seconds of the phases of a run, of making the problem and on the wall; and the solver's share."""
    settings = Settings(trials=trials, seed=seed, transfer=False)
    problem = session.problem(bed.task, settings).solve_seconds  # once more: a run does not tell it apart
    started = time.monotonic()
    with Store.in_memory() as store:
        found = session.tune(bed.task, store, settings).seconds_spent
    wall = time.monotonic() - started
    return {**found, "problem": problem, "wall": wall, "share": found["solve"] / wall}


def _loading(before: str) -> float:
    """Median seconds to load OR-Tools in a process of its own."""
    command = [sys.executable, "-c", _LOADING.format(before=before)]
    return statistics.median(
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(LOADS)
    )


def _driver(bed: Bed) -> list[str]:
    lines = ["| method | trials per second | solve | model |", "|---|---|---|---|"]
    for method in ("cga", "ga-repair", "model-random", "random"):
        spent, started = Spent(time.process_time), time.process_time()
        trials = len(bed.search(method, 0, 256, spent=spent, near=None))
        wall = time.process_time() - started
        found = spent.seconds()
        cells = [f"{found[name] / trials * 1e3:.2f} ms a trial" for name in ("solve", "model")]
        lines.append(f"| {method} | {trials / wall:.0f} | " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    main()
