"""Tune workloads of every family for Intel AMX, compare with oneDNN and with heron without AMX.

``python -m benchmarks.amx`` writes benchmarks/results/amx.md, on a CPU with amx_int8 and amx_bf16. Workloads
are tuned and compared side by side on cores of their own, as by ``python -m benchmarks.dlboost_operators``,
one thread each unless told; what was tuned or measured is kept in --work, so that a run that was cut short
goes on where it stopped. Exit code 5 when a result is not exact, a candidate
failed, or a workload is missing.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.amx import page
from benchmarks.amx.matrices import MATRICES, Matrix
from benchmarks.dlboost_operators import limits, measuring, results, tuning
from benchmarks.dlboost_operators.slots import apart, divide, physical
from benchmarks.native import CACHE, HERE
from benchmarks.onednn import UNRESTRICTED, wheels
from benchmarks.study import conclude

TUNING = 0.6  # of --until where both tuning and comparing are to be done in it


class Study:
    """The results on disk and the stages that add to them."""

    def __init__(self, options: argparse.Namespace, matrices: Sequence[Matrix]) -> None:
        self.options, self.matrices = options, matrices
        self.db: Path = options.work / "heron.db"
        self.results = results.read(options.work / "results.json")
        usable = apart(physical(), limits.together)[: options.jobs and options.jobs * options.threads]
        self.slots = divide(usable, options.threads)
        tuning.say(", ".join(f"{slot.threads} on {slot.cores}" for slot in self.slots))

    def tune(self, until: float) -> None:
        """Bring every workload to the number of trials, those of AMX first; begin none after `until`."""
        options = self.options
        wanted = [
            (case, matrix.beside if beside else matrix.target)
            for beside in (False, True)
            for matrix in self.matrices
            for case in matrix.cases
        ]
        turns = math.ceil(len(wanted) / len(self.slots))
        seconds = min(options.seconds, (until - time.monotonic()) / turns)
        most = f"{options.trials} trials or {seconds:.0f} s per workload and target"
        self.results.budget = f"{most}, {len(self.slots)} tuned at once"
        self.save()
        work = [
            tuning.Work(case, options.threads, target, options.trials, seconds) for case, target in wanted
        ]
        tuning.tune(work, self.slots, tuning.Plan(self.db, options.seed, until))

    def measure(self, until: float) -> None:
        """Compare every workload that is not compared yet, with oneDNN first."""
        options = self.options
        libraries = options.work / "libraries"
        plan = measuring.Plan(self.db, libraries, until, options.processes, isa=UNRESTRICTED)
        work = [
            measuring.Work(
                case, options.threads, matrix.target, matrix.beside if beside else "", matrix.instruction
            )
            for beside in (False, True)
            for matrix in self.matrices
            for case in matrix.cases
        ]
        todo = [each for each in work if not self.results.compared(each.label, each.threads)]
        measuring.compare(self.results, todo, self.slots, plan, self.keep)

    def page(self) -> list[str]:
        """Count the trials, write the page and say what is wrong."""
        if self.db.exists():
            self.results.tunings = {}
            for matrix in self.matrices:
                target, beside = (_name(each) for each in (matrix.target, matrix.beside))
                self.results.tunings |= results.count(self.db, target)
                self.results.tunings |= results.count(self.db, beside, matrix.beside)
        self.results.notes = self.options.note or self.results.notes
        self.save()
        return page.wrong(self.results, self.matrices, self.options.threads)

    def keep(self) -> None:
        """Write the results, and no page: that takes a while, on the cores that are measured."""
        self.results.save(self.options.work / "results.json")

    def save(self) -> None:
        """Write the results and the page."""
        self.keep()
        self.options.out.parent.mkdir(parents=True, exist_ok=True)
        self.options.out.write_text(page.render(self.results, self.matrices, self.options.threads))


def _name(target: str) -> str:
    """What records call an accelerator that is given by name or file."""
    from heron_cli.accelerator.loader import load

    return load(target).name


def options_of(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--seconds", type=float, default=90, help="of tuning a workload for a target, less if --until is near"
    )
    parser.add_argument("--until", type=float, default=86400, help="seconds after which nothing is begun")
    parser.add_argument("--jobs", type=int, help="how many at once (default: as many as there are cores)")
    parser.add_argument("--processes", type=int, default=3, help="pairs of processes of each comparison")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stage", choices=("tune", "measure", "page"), action="append")
    parser.add_argument("--note", action="append", help="a remark for the page, in place of earlier ones")
    parser.add_argument("--work", type=Path, default=CACHE / "amx")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "amx.md")
    parser.add_argument("--fresh", action="store_true", help="forget what was tuned and measured before")
    return parser.parse_args(words)


def run(options: argparse.Namespace, matrices: Sequence[Matrix] = MATRICES) -> int:
    """Run the stages; returns the exit code."""
    began = time.monotonic()
    if options.fresh:
        shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True, exist_ok=True)
    stages = options.stage or ["tune", "measure", "page"]

    def work() -> list[str]:
        study = Study(options, matrices)
        if "measure" in stages:
            wheels.find()
        if "tune" in stages:
            study.tune(began + options.until * (TUNING if "measure" in stages else 1))
        if "measure" in stages:
            study.measure(began + options.until)
        return study.page()

    return conclude(work, options.out)


if __name__ == "__main__":
    sys.exit(run(options_of()))
