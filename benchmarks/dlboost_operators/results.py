"""What was tuned and compared, and what one comparison says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import study
from benchmarks.dlboost_operators.calm import Calm
from benchmarks.dlboost_operators.cases import Case, beside, cases, find, floats
from benchmarks.dlboost_operators.limits import Level, Limit, limit
from benchmarks.onednn import problem

QUIET = 0.85  # of the most operations a second: less, and something else was on the cores
_LEAST_BURSTS = 5


def label(case: Case, against: str = "") -> str:
    """What a comparison is called: with oneDNN, the kernel for another target, another build of oneDNN."""
    return f"{case.name} / {Path(against).name.removesuffix('.yaml')}" if against else case.name


@dataclass(slots=True)
class Results:
    """Everything so far. Keys are "label|threads", of `memory` threads.

    `matches` holds a list of comparisons, or the reason why there is none; `notes` are remarks for the page;
    `newest` is what a second oneDNN is called, if there was one.
    """

    machine: dict[str, str] = field(default_factory=dict)
    budget: str = ""
    memory: dict[str, list[Any]] = field(default_factory=dict)
    matches: dict[str, Any] = field(default_factory=dict)
    tunings: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    newest: str = ""

    def put(self, name: str, threads: int, found: Any) -> None:
        """Keep a comparison, or the reason why there is none."""
        self.matches[f"{name}|{threads}"] = found

    def compared(self, name: str, threads: int) -> bool:
        """Whether there is a comparison."""
        return isinstance(self.matches.get(f"{name}|{threads}"), list)

    def save(self, path: Path) -> None:
        """Write, all or nothing."""
        study.save(asdict(self), path)


def read(path: Path) -> Results:
    """What `Results.save` wrote; empty where there is nothing."""
    return Results(**json.loads(path.read_text())) if path.exists() else Results()


def was_calm(results: Results, name: str, threads: int) -> bool:
    """Whether there is a comparison, and all of it is of calm moments as far as is known by now."""
    if not results.compared(name, threads):
        return False
    calm = Calm(most(results, threads))
    matches = results.matches[f"{name}|{threads}"]
    return all(calm.holds([peak for _, _, peak in each["bursts"]]) for each in matches)


def most(results: Results, threads: int) -> float:
    """The highest peak of so many cores together in any comparison, in operations per second; 0 without."""
    found = [
        burst[2]
        for key, matches in results.matches.items()
        if key.endswith(f"|{threads}") and isinstance(matches, list)
        for match in matches
        for burst in match["bursts"]
    ]
    return max(found, default=0.0)


def count(db: Path, target: str | None = None, against: str = "") -> dict[str, dict[str, Any]]:
    """Of every workload and number of threads in the store: trials, those that failed and why.

    Only those for the accelerator of the name `target`, if one is given; it is called so beside that of which
    `against` is the other side.
    """
    from benchmarks.dlboost_operators.cases import workload_of
    from heron_cli.records import Purpose, Query, Store

    every = reversed((*cases(), *beside(), *floats()))
    names = {workload_of(case).key: label(case, against) for case in every}
    found: dict[str, dict[str, Any]] = {}
    with Store.open(db, read_only=True) as store:
        for record in store.all(Query(purpose=Purpose.TRIAL, target=target)):
            key = f"{names.get(record.workload, record.workload)}|{record.threads}"
            entry = found.setdefault(
                key, {"trials": 0, "failed": 0, "reasons": {}, "best": None, "variant": ""}
            )
            measured = record.trial.measurement
            entry["trials"] += 1
            if str(measured.status) != "ok":
                entry["failed"] += 1
                reason = f"{measured.status}: {measured.reason}"[:200]
                entry["reasons"][reason] = entry["reasons"].get(reason, 0) + 1
            elif measured.verified and (entry["best"] is None or (record.cost or 0) < entry["best"]):
                entry.update(best=record.cost, variant=record.trial.candidate.variant)
    return found


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: seconds of a call, oneDNN's / heron's, and `share`, the limit's / heron's.

    `at_best` is that of the fastest bursts.
    """

    case: Case
    theirs: float
    ours: float
    ratio: float
    spread: tuple[float, float]
    exact: bool
    implementation: str
    limit: Limit
    share: float
    at_best: float


def row(results: Results, case: Case, threads: int, against: str = "") -> Row | None:
    """The row of a workload; None where it was not compared."""
    name = label(case, against)
    if not results.compared(name, threads):
        return None
    matches = _quiet(results.matches[f"{name}|{threads}"])
    bursts = [tuple(burst) for match in matches for burst in match["bursts"]]
    ratios = [median(a / b for a, b, _ in match["bursts"]) for match in matches]
    described = problem(case)
    bounds = [
        [limit(described, peak, Level(**match["memory"])) for _, _, peak in match["bursts"]]
        for match in matches
    ]
    shares = [
        median(bound.seconds / burst[1] for bound, burst in zip(found, match["bursts"], strict=True))
        for found, match in zip(bounds, matches, strict=True)
    ]
    shortest = min((each for found in bounds for each in found), key=lambda each: each.seconds)
    return Row(
        case,
        median(a for a, _, _ in bursts),
        median(b for _, b, _ in bursts),
        median(ratios),
        (min(ratios), max(ratios)),
        all(all(match["exact"]) for match in matches),
        matches[0]["implementation"],
        shortest,
        median(shares),
        shortest.seconds / min(b for _, b, _ in bursts),
    )


def _quiet(matches: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The bursts around which the cores were as fast as they can be, all where those are too few."""
    most = max(peak for match in matches for _, _, peak in match["bursts"])
    kept = [
        {**match, "bursts": [burst for burst in match["bursts"] if burst[2] >= QUIET * most]}
        for match in matches
    ]
    enough = sum(len(match["bursts"]) for match in kept) >= _LEAST_BURSTS
    return [match for match in kept if match["bursts"]] if enough else [dict(match) for match in matches]


def line(results: Results, name: str, threads: int) -> str:
    """One comparison, by its label, in a line of text."""
    case, _, against = name.partition(" / ")
    found = row(results, find(case), threads, against)
    if found is None:
        return f"{name} {threads}t: not compared"
    exact = "" if found.exact else ", NOT EXACT"
    theirs, ours = f"{against or 'oneDNN'} {found.theirs * 1e6:.2f} µs", f"heron {found.ours * 1e6:.2f} µs"
    times = f"{theirs}, {ours}, x{found.ratio:.3f}"
    return f"{name} {threads}t: {times}, {found.share:.2f} of the limit ({found.limit.by}){exact}"
