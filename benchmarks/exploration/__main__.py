"""Compare the search methods, and write benchmarks/results/exploration.md.

    python -m benchmarks.exploration                      # everything; hours
    python -m benchmarks.exploration --parts vta hard     # these sections

Runs are kept in build/exploration/ as they end; the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import sections
from benchmarks.exploration import dlboost, dlboost_surrogate, hard, report, seconds, vta
from benchmarks.exploration.beds import VTA_BEDS, Bed, unavailable
from benchmarks.exploration.validity import built, validity

RESULTS = Path(__file__).parents[1] / "results" / "exploration.md"
PARTS = ("vta", "hard", "transfer", "dlboost", "dlboost-surrogate", "validity", "seconds")

_VALIDITY = (
    "Share of valid candidates. MetaSchedule has no schedules for VTA, so it cannot be compared on",
    "these spaces; on others it is below.",
)


def main() -> None:
    """Run what is missing of each part and write its sections; `dlboost` only writes what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=256, help="of every run with a cost model")
    parser.add_argument("--random-trials", type=int, default=1024, help="of random search on recorded tables")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--hard-trials", type=int, default=128)
    parser.add_argument("--transfer-trials", type=int, default=32)
    parser.add_argument("--work", type=Path, default=Path("build/exploration"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="default: all")
    parser.add_argument("--only-report", action="store_true", help="run nothing, write what is there")
    options = parser.parse_args()
    for part in PARTS:
        if part in options.parts:
            _part(part, options)


def _part(part: str, options: argparse.Namespace) -> None:
    work, go = options.work, not options.only_report
    beds = [Bed(*pair) for pair in VTA_BEDS]

    def put(lines: list[str], after: str = "") -> None:
        sections.put(options.out, lines, after)

    if part == "vta":
        if go:
            vta.run(work, options.seeds, options.trials, options.random_trials)
        sections.begin(options.out, vta.head(work))
        put(vta.section(work))
    elif part == "hard":
        if go:
            hard.run(work, options.seeds, options.hard_trials)
        put(hard.section(work), vta.TITLE)
        put(hard.models(work), hard.TITLE)
    elif part == "transfer":
        if go:
            vta.run_transfer(work, options.seeds, options.transfer_trials)
        put(vta.transfer(work), hard.MODELS)
    elif part == "dlboost":
        put(dlboost.section(work, otherwise="; ".join(unavailable()) or "no runs"), vta.TRANSFER)
    elif part == "dlboost-surrogate":
        if go:
            dlboost_surrogate.run(work, options.seeds, options.trials)
        put(dlboost_surrogate.section(work), dlboost.TITLE)
    elif part == "validity":
        put(["## Validity", "", *_VALIDITY, "", *report.valid([validity(bed) for bed in beds])])
        if lines := built():
            put(lines)
    elif part == "seconds":
        put(seconds.section(beds, (64, options.trials), seeds=3))


if __name__ == "__main__":
    main()
