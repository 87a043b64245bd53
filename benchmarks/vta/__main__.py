"""Measures and writes results/vta.md: ``python -m benchmarks.vta``, from the root of the repository.

Cycles, samples and searches are kept in build/vta and not made again; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

from benchmarks.vta import cases, report
from benchmarks.vta.work import Work, do

FOLDER = Path("build") / "vta"
PAGE = Path(__file__).parent.parent / "results" / "vta.md"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.vta", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=cases.SEEDS, help="of each search (default: %(default)s)")
    parser.add_argument("--report", action="store_true", help="write the page from what is there")
    arguments = parser.parse_args()
    if not arguments.report:
        with ProcessPoolExecutor(arguments.jobs) as pool:
            for line in pool.map(partial(do, folder=FOLDER), _works(arguments.seeds)):
                print(line, flush=True)
    PAGE.write_text(report.render(FOLDER, arguments.seeds), encoding="utf-8")
    print(f"wrote {PAGE}")


def _works(seeds: int) -> list[Work]:
    """What decides the bars first; then every method, seed by seed, so that a page can be written early."""
    names = list(cases.workloads())
    samples = [Work("sample", cases.MACHINE, name) for name in names]
    tight = [Work("sample", cases.TIGHT, name) for name in cases.COMPARED]
    bars = [Work("search", cases.MACHINE, name, "cga", seeds, cases.BUDGET) for name in names]
    compared = [
        [
            Work("search", machine, name, method, seed + 1, cases.TRIALS[-1])
            for method in cases.METHODS
            for name in cases.COMPARED
            for machine in (cases.MACHINE, cases.TIGHT)
        ]
        for seed in range(seeds)
    ]
    return [*samples, *bars, *tight, *chain(*compared)]


if __name__ == "__main__":
    main()
