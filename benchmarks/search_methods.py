"""Best so far against trials: CGA and constrained random search on the same spaces, several seeds each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import Case
from benchmarks.ours import CGA, RANDOM, records, tune
from benchmarks.timing import geomean

METHODS = {CGA: "CGA", RANDOM: "constrained random"}
CHECKPOINTS = (8, 16, 32, 64, 96, 128)


@dataclass(frozen=True, slots=True)
class Run:
    """One search. `seconds` per trial in order; None where the trial was not valid."""

    case: str
    method: str
    seed: int
    wall: float
    seconds: tuple[float | None, ...]

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Run:
        """Read the JSON form of a run."""
        return cls(**{**document, "seconds": tuple(document["seconds"])})

    def best_after(self, trials: int) -> float | None:
        """The fastest of the first `trials`."""
        return min((s for s in self.seconds[:trials] if s is not None), default=None)


def run(case: Case, method: str, seed: int, trials: int, seconds: float, directory: Path) -> Run:
    """One search with a store of its own."""
    slug = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in case.name)
    db = directory / f"{slug}-{method}-{seed}.db"
    tuning = tune(case, trials, seconds, db, seed=seed, method=method)
    times = tuple(record["seconds"] if record["status"] == "ok" else None for record in records(db))
    return Run(case.name, method, seed, tuning.wall, times)


def table(case: str, runs: Sequence[Run], checkpoints: Sequence[int] = CHECKPOINTS) -> list[str]:
    """Markdown rows: per method and number of trials, the share of the best time that any run found.

    The entry is the geometric mean over seeds with the worst and the best seed; 1 is the best kernel known.
    """
    mine = [entry for entry in runs if entry.case == case]
    finals = [entry.best_after(len(entry.seconds)) for entry in mine]
    known = min((time for time in finals if time is not None), default=None)
    if known is None:
        return [f"None of the {len(mine)} runs found a kernel."]
    lines = [
        f"Best found by any of the {len(mine)} runs: {known * 1e6:.1f} µs.",
        "",
        "| method | " + " | ".join(f"{count} trials" for count in checkpoints) + " | seeds | s per run |",
        "|---|" + "---|" * (len(checkpoints) + 2),
    ]
    for method, title in METHODS.items():
        chosen = [entry for entry in mine if entry.method == method]
        if not chosen:
            continue
        cells = [_cell([entry.best_after(count) for entry in chosen], known) for count in checkpoints]
        wall = np.median([entry.wall for entry in chosen])
        lines.append(f"| {title} | " + " | ".join(cells) + f" | {len(chosen)} | {wall:.0f} |")
    return lines


def _cell(times: Sequence[float | None], known: float) -> str:
    shares = [known / time for time in times if time is not None]
    if len(shares) < len(times):
        return f"{len(times) - len(shares)} of {len(times)} without a kernel"
    return f"{geomean(shares):.3f} ({min(shares):.3f}–{max(shares):.3f})"


def trials_to_match(runs: Sequence[Run], case: str) -> str:
    """How many trials CGA needs for what random search has after all of its own, medians over seeds."""
    mine = [entry for entry in runs if entry.case == case]
    finals = [entry.best_after(len(entry.seconds)) for entry in mine if entry.method == RANDOM]
    reached = [time for time in finals if time is not None]
    if not reached:
        return "random search found no kernel"
    goal = float(np.median(reached))
    needed = [_first(entry, goal) for entry in mine if entry.method == CGA]
    total = max((len(entry.seconds) for entry in mine), default=0)
    counts = [total + 1 if count is None else count for count in needed]
    if not counts:
        return "CGA was not run"
    median = int(np.median(counts))
    return f"more than {total} trials" if median > total else f"{median} trials"


def _first(entry: Run, goal: float) -> int | None:
    hits = (i + 1 for i, time in enumerate(entry.seconds) if time is not None and time <= goal)
    return next(hits, None)
