"""Measures and writes results/vta.md: ``python -m benchmarks.vta``, from the root of the repository.

Cycles, samples and searches are kept in build/vta and not made again; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.vta import cases, report
from benchmarks.vta.work import Work, do

FOLDER = Path("build") / "vta"
PARTS = ("samples", "bars", "methods")
PAGE = Path(__file__).parent.parent / "results" / "vta.md"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.vta", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument(
        "--seeds", type=int, default=cases.SEEDS, help="of each search (default: %(default)s)"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to do (default: all)")
    parser.add_argument("--report", action="store_true", help="write the page from what is there")
    arguments = parser.parse_args()
    if not arguments.report:
        with ProcessPoolExecutor(arguments.jobs) as pool:
            for line in pool.map(partial(do, folder=FOLDER), _works(arguments.parts, arguments.seeds)):
                print(line, flush=True)
    PAGE.write_text(report.render(FOLDER, arguments.seeds), encoding="utf-8")
    print(f"wrote {PAGE}")


def _works(parts: Sequence[str], seeds: int) -> list[Work]:
    """What decides the bars first; few seeds before many, so that a page can be written early."""
    names = list(cases.workloads())
    machines = (cases.MACHINE, cases.TIGHT)
    compared = [(machine, name) for name in cases.COMPARED for machine in machines]
    found = {
        "samples": [
            *(Work("sample", cases.MACHINE, name) for name in names),
            *(Work("sample", cases.TIGHT, name) for name in cases.COMPARED),
        ],
        "bars": [
            Work("search", cases.MACHINE, name, "cga", some, cases.BUDGET)
            for some in dict.fromkeys((min(3, seeds), seeds))
            for name in names
        ],
        "methods": [
            Work("search", machine, name, method, seed + 1, cases.TRIALS[-1])
            for seed in range(seeds)
            for method in cases.METHODS
            for machine, name in compared
        ],
    }
    return [work for part in PARTS if part in parts for work in found[part]]


if __name__ == "__main__":
    main()
