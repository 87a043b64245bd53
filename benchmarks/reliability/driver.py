"""The driver alone: measurements that take no time, records in a database on disk."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.reliability import fakes

METHODS = (("random", 1000), ("cga", 96))


def run() -> dict[str, Any]:
    """Trials per second of each method on a synthetic problem of some million points."""
    sys.path.insert(0, str(fakes.HERE.parent / "search"))
    from toy import FakeRunner, problem, variant

    from heron_cli.records import Store
    from heron_cli.search.driver import tune
    from heron_cli.search.result import Budget

    found = {}
    for method, trials in METHODS:
        variants = (variant(),)
        with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "records.db") as store:
            began = time.perf_counter()
            result = tune(problem(*variants), method, FakeRunner(variants), store, Budget(trials), 0)
            seconds = time.perf_counter() - began
            spent = result.seconds_spent
            found[method] = {
                "trials": result.trials,
                "per second": result.trials / seconds,
                "per second without model and solver": result.trials
                / max(1e-9, seconds - spent["model"] - spent["solve"]),
            }
    return found
