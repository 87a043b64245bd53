"""Tune every operator of the paper and ResNet-50 for DL Boost, compare with oneDNN, write the page.

``python -m benchmarks.dlboost_operators`` writes benchmarks/results/dlboost-operators.md. Workloads are
tuned side by side, each on cores of its own (one for a thread, different physical ones), and compared
likewise. What was tuned or measured is kept in --work (a database and a JSON file), so a run that was cut
short goes on where it stopped: --until ends it in time. Exit code 5 when a bar is missed.

In parts of nine minutes, on 32 CPUs:

    --stage tune --threads 1 --trials 64,128,200 --seconds 25 --until 240
    --stage tune --threads 2 --trials 64,128,200 --seconds 25 --until 300  # begins with one thread's
    --stage measure --threads 1 --jobs 8 --until 460                    # half of the cores: quieter
    --stage measure --stage page --threads 2 --jobs 8 --until 460       # once more if something is left

A final ranking sees the machine as it is for a second; --stage rank makes one more of every workload that
was tuned, without trials, and all of them count.

Beside the wheels' oneDNN, against a newer one, built for GNU's OpenMP and installed in a folder, too:

    --stage measure --stage page --newest /opt/onednn

On a machine that is shared, which may take some runs: --stage measure --calm --until 1800

The depthwise layers alone, which no bar counts: --only depthwise --trials 200 --seconds 30 --until 480
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.dlboost_operators import limits, measuring, report, results, tuning
from benchmarks.dlboost_operators.cases import Case, beside, cases
from benchmarks.dlboost_operators.slots import Slot, apart, physical, rounds
from benchmarks.metaschedule import page
from benchmarks.native import CACHE, HERE
from benchmarks.onednn import wheels
from benchmarks.study import conclude

TUNING = 0.7  # of --until where both tuning and comparing are to be done in it


class Study:
    """The results on disk and the stages that add to them."""

    def __init__(self, options: argparse.Namespace, until: float) -> None:
        self.options, self.until = options, until
        self.db: Path = options.work / "heron.db"
        self.results = results.read(options.work / "results.json")
        self.cases = [
            each for each in (*cases(), *beside()) if not options.only or _matches(each, options.only)
        ]
        self.others = {"": ""}  # the wheels' oneDNN, and what another is called and its folder
        if options.newest:
            root = str(options.newest.resolve())
            self.results.newest = f"oneDNN {wheels.find(root).version}"
            self.others[self.results.newest] = root
        every = sorted(os.sched_getaffinity(0))
        usable = (every if options.siblings else apart(physical(), limits.together))[: options.jobs]
        self.rounds = rounds(usable, options.threads)
        for slots in self.rounds:
            tuning.say(", ".join(f"{slot.threads} on {slot.cores}" for slot in slots))

    def tune(self, until: float) -> None:
        """Bring every workload to the first number of trials, then to the next; begin none after `until`."""
        options = self.options
        self.results.budget = (
            f"{options.trials[-1]} trials or {options.seconds:g} s (in each of {len(options.trials)} passes) "
            f"per workload and number of threads, {max(map(len, self.rounds), default=0)} tuned at once"
        )
        self.save()
        self._tune(until, options.trials)

    def rank(self, until: float) -> None:
        """Compare the best few of every workload that was tuned side by side, again."""
        self._tune(until, [1], rank_again=True)

    def _tune(self, until: float, passes: list[int], *, rank_again: bool = False) -> None:
        options = self.options
        for slots, end in self._in_turn(until):
            work = [
                tuning.Work(case, threads, options.target, trials, options.seconds)
                for trials in passes
                for threads in sorted({slot.threads for slot in slots})
                for case in self.cases
            ]
            tuning.tune(work, slots, tuning.Plan(self.db, options.seed, end, rank_again))

    def measure(self) -> None:
        """Compare every workload that is not compared yet, with --calm also what was not in calm moments."""
        made = results.was_calm if self.options.calm else results.Results.compared
        libraries = self.options.work / "libraries"
        for slots, end in self._in_turn(self.until):
            calm = {slot.threads: results.most(self.results, slot.threads) for slot in slots}
            plan = measuring.Plan(
                self.db, libraries, end, self.options.processes, calm=calm if self.options.calm else None
            )
            work = [
                measuring.Work(case, threads, self.options.target, against, onednn=root)
                for threads in sorted({slot.threads for slot in slots})
                for case in self.cases
                for against, root in self.others.items()
                if self.options.again or not made(self.results, results.label(case, against), threads)
            ]
            measuring.compare(self.results, work, slots, plan, self.keep)

    def _in_turn(self, until: float) -> Iterator[tuple[list[Slot], float]]:
        """Each round with its end, an equal share of the time that is left."""
        for done, slots in enumerate(self.rounds):
            now = time.monotonic()
            yield slots, now + (until - now) / (len(self.rounds) - done)

    def page(self) -> None:
        """Count the trials and write the page."""
        if self.db.exists():
            self.results.tunings = results.count(self.db)
        self.results.notes = self.options.note or self.results.notes
        self.save()

    def keep(self) -> None:
        """Write what was found, and no page: that takes a while, on the cores that are measured."""
        self.results.save(self.options.work / "results.json")

    def save(self) -> None:
        """Write what was found, and the page."""
        self.keep()
        self.options.out.parent.mkdir(parents=True, exist_ok=True)
        self.options.out.write_text(report.render(self.results))
        page.keep(self.options.out, "dlboost")


def _matches(case: Case, texts: list[str]) -> bool:
    return any(text in case.name or text == case.family for text in texts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", default="dlboost")
    parser.add_argument("--trials", type=_numbers, default=[64, 200], help="per pass (default: 64,200)")
    parser.add_argument("--threads", type=_numbers, default=[1, 2], help="default: 1,2")
    parser.add_argument("--seconds", type=float, default=120, help="per workload and pass of tuning")
    parser.add_argument("--until", type=float, default=86400, help="seconds after which nothing is begun")
    parser.add_argument("--jobs", type=int, help="physical cores to use (default: all)")
    parser.add_argument(
        "--siblings", action="store_true", help="take both CPUs of a core: tunes more, and noisier"
    )
    parser.add_argument("--processes", type=int, default=3, help="pairs of processes of each comparison")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", action="append", metavar="TEXT", help="names that contain this, or a family"
    )
    parser.add_argument("--stage", choices=("tune", "rank", "measure", "page"), action="append")
    parser.add_argument("--note", action="append", help="a remark for the page, in place of earlier ones")
    parser.add_argument("--newest", type=Path, metavar="FOLDER", help="a newer oneDNN, compared with too")
    parser.add_argument(
        "--calm",
        action="store_true",
        help="compare in calm moments only (calm.py), and again what was not",
    )
    parser.add_argument("--again", action="store_true", help="compare also what was compared before")
    parser.add_argument("--work", type=Path, default=CACHE / "dlboost-operators")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "dlboost-operators.md")
    parser.add_argument("--fresh", action="store_true", help="forget what was tuned and measured before")
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def main() -> int:
    """Run the stages and say which bars were missed."""
    options = _options()
    began = time.monotonic()
    if options.fresh:
        shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True, exist_ok=True)
    stages = options.stage or ["tune", "measure", "page"]

    def work() -> list[str]:
        study = Study(options, began + options.until)
        if "tune" in stages:
            study.tune(began + options.until * (TUNING if "measure" in stages else 1))
        if "rank" in stages:
            study.rank(study.until)
        if "measure" in stages:
            wheels.find()
            study.measure()
        study.page()
        return report.failed_bars(study.results)

    return conclude(work, options.out)


if __name__ == "__main__":
    sys.exit(main())
