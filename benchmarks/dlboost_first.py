"""Tune the sixteen first workloads, compare them with oneDNN, write benchmarks/results/dlboost-first.md.

``python -m benchmarks.dlboost_first``, from the root of the repository. What was tuned or measured is kept
in benchmarks/build/dlboost-first, so a run that was cut short goes on where it stopped; ``--fresh`` starts
over. Exit code 5 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import machine, ours, report, search_methods
from benchmarks.cases import CASES, SEARCH_CASES, Case
from benchmarks.duel import Duel, Plan, in_processes
from benchmarks.native import CACHE, HERE, BenchmarkError
from benchmarks.onednn import UNRESTRICTED, wheels
from benchmarks.report import Results
from benchmarks.search_methods import METHODS, Run
from benchmarks.study import conclude, save

WORK = CACHE / "dlboost-first"
PAGE = HERE / "results" / "dlboost-first.md"
STAGES = ("tune", "measure", "methods")


class Study:
    """The results on disk and the stages that add to them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.work: Path = options.work
        self.db = self.work / "heron.db"
        self.state = self.work / "results.json"
        self.results = _read(self.state) if self.state.exists() else Results()

    def tune(self, cases: list[Case]) -> None:
        """Tune what is not tuned yet."""
        self.results.budget = f"{self.options.trials} trials or {self.options.time:g} s per workload"
        for case in cases:
            if case.name in self.results.tunings:
                continue
            self._say(f"tune {case.name}")
            self.results.failures.pop(case.name, None)
            try:
                self.results.tunings[case.name] = ours.tune(
                    case, self.options.trials, self.options.time, self.db, seed=self.options.seed
                )
            except BenchmarkError as error:
                self.results.failures[case.name] = str(error)
                self._say(str(error))
            self._save()
        reasons = (f"{r['status']}: {r['reason']}" for r in ours.records(self.db) if r["status"] != "ok")
        self.results.rejected = dict(Counter(reasons))
        self._save()

    def measure(self, cases: list[Case]) -> None:
        """Export, then compare every tuned workload anew."""
        core = self.options.core
        self.results.machine = machine.describe(core)
        plan = Plan(self.options.processes, self.options.placements, self.options.rounds, core)
        library = self.work / "library"
        ours.export(self.db, library)
        for case in cases:
            if case.name not in self.results.tunings:
                continue
            self._say(f"measure {case.name}")
            try:
                self.results.duels[case.name] = in_processes(case, library, plan)
                self.results.null[case.name] = in_processes(case, None, replace(plan, processes=2))
            except BenchmarkError as error:
                self.results.duels.pop(case.name, None)
                self.results.failures[case.name] = str(error)
                self._say(str(error))
            self._save()
        self._say("measure oneDNN without limits")
        self.results.unrestricted = _unrestricted(core)
        self._save()

    def methods(self) -> None:
        """Run the searches that are missing."""
        done = {(entry.case, entry.method, entry.seed) for entry in self.results.runs}
        for seed in range(self.options.seeds):  # seeds outermost: methods see the same state of the machine
            for case in SEARCH_CASES:
                for method in METHODS:
                    if (case.name, method, seed) in done:
                        continue
                    self._say(f"search {case.name}, {method}, seed {seed}")
                    trials, seconds = self.options.trials, self.options.time
                    directory = self.work / "methods"
                    self.results.runs.append(
                        search_methods.run(case, method, seed, trials, seconds, directory)
                    )
                    self._save()

    def _save(self) -> None:
        save(asdict(self.results), self.state)
        self.options.out.parent.mkdir(parents=True, exist_ok=True)
        self.options.out.write_text(report.render(self.results))

    @staticmethod
    def _say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _read(path: Path) -> Results:
    document: dict[str, Any] = json.loads(path.read_text())
    document["tunings"] = {name: ours.Tuning(**value) for name, value in document["tunings"].items()}
    for key in ("duels", "null"):
        document[key] = {name: [Duel.from_json(d) for d in duels] for name, duels in document[key].items()}
    document["runs"] = [Run.from_json(entry) for entry in document["runs"]]
    return Results(**document)


def _unrestricted(core: int) -> dict[str, dict[str, Any]]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.onednn",
        "--isa",
        UNRESTRICTED,
        "--json",
        "--core",
        str(core),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent, check=False)
    if done.returncode:
        raise BenchmarkError(f"the survey of oneDNN ended with exit code {done.returncode}")
    return {row["name"]: row for row in json.loads(done.stdout)["rows"]}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=128, help="per workload (default: %(default)s)")
    parser.add_argument("--time", type=float, default=300, help="seconds per workload (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=5, help="of each method (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=5, help="per comparison (default: %(default)s)")
    parser.add_argument("--placements", type=int, default=5, help="per process (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="per placement (default: %(default)s)")
    parser.add_argument("--core", type=int, default=None, help="to measure on (default: the last)")
    parser.add_argument("--only", metavar="TEXT", help="only workloads whose name contains this")
    parser.add_argument("--stage", choices=STAGES, action="append", help="only this stage; may be repeated")
    parser.add_argument("--work", type=Path, default=WORK, help="where everything is kept")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page to write")
    parser.add_argument("--fresh", action="store_true", help="forget what was tuned and measured before")
    return parser.parse_args()


def main() -> int:
    """Run the stages and say which bars were missed."""
    options = _options()
    if options.core is None:
        options.core = max(os.sched_getaffinity(0))
    if options.fresh and options.work.exists():
        shutil.rmtree(options.work)
    cases = [case for case in CASES if not options.only or options.only in case.name]
    stages = options.stage or STAGES

    def work() -> list[str]:
        wheels.find()
        study = Study(options)
        parts: dict[str, Callable[[], None]] = {
            "tune": lambda: study.tune(cases),
            "measure": lambda: study.measure(cases),
            "methods": study.methods,
        }
        for stage in STAGES:
            if stage in stages:
                parts[stage]()
        return report.failed_bars(study.results)

    return conclude(work, options.out)


if __name__ == "__main__":
    sys.exit(main())
