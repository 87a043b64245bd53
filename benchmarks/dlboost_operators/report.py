"""The Markdown of benchmarks/results/dlboost-operators.md, from what was tuned and measured."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import study
from benchmarks.dlboost_operators.cases import (
    GEOMEAN,
    LEAST,
    OF_LIMIT,
    Case,
    bar,
    beside,
    cases,
    find,
    floats,
)
from benchmarks.dlboost_operators.limits import Level, Limit, limit, to_levels
from benchmarks.onednn import problem
from benchmarks.timing import geomean

_PROSE = """
{types}. Each side runs in a process of its own on the same pinned cores, a thread bound to each;
bursts of about 20 ms alternate, A B A B …, wall clock, and a whole comparison is repeated with new
processes and buffers.
Several workloads are compared at once, on other cores. The ratio is oneDNN's time / heron's: the
median over processes of the median over pairs of bursts, with the range over processes. Both get the
same operands; packing a constant weight is timed on neither side, bmm's operands are packed within the
timed call. Results are compared in full with a reference of the benchmark's own. {held}

The limit is the longest of: products with real elements (no padding) at the core's peak of {instruction}
on registers; bytes of both inputs (of those that are read at all) over the read bandwidth, and of the
output over the write bandwidth, of the smallest level that holds all three. The peak of all threads'
cores at once is measured before, between and after every pair of bursts (the least counts), the
bandwidth after every pair of processes, on the same cores. Pairs of bursts at which the cores together
reached less than {quiet:.0%} of the most that was seen in a comparison are left out, for both sides:
virtual CPUs share a core at times. The share of the limit is the median over processes of the median
over bursts of the limit by that burst's peak / heron's time; the column of limits shows the shortest.
`at best` is the shortest limit of any burst / heron's fastest burst: what is left where nothing else runs
on the machine.
"""
_QUIET = 0.85  # of the most operations a second: less, and something else was on the cores
_LEAST_BURSTS = 5
_HEAD = (
    "| workload | family | oneDNN µs | heron µs | oneDNN / heron | limit µs | limit / heron | at best | by "
    "| exact | variant | oneDNN "
)


def label(case: Case, against: str = "") -> str:
    """What a comparison is called: with oneDNN, or with the kernel for another target."""
    return f"{case.name} / {Path(against).stem}" if against else case.name


@dataclass(slots=True)
class Results:
    """Everything so far. Keys are "label|threads", of `memory` threads.

    `matches` holds a list of comparisons, or the reason why there is none; `notes` are remarks for the page.
    """

    machine: dict[str, str] = field(default_factory=dict)
    budget: str = ""
    memory: dict[str, list[Any]] = field(default_factory=dict)
    matches: dict[str, Any] = field(default_factory=dict)
    tunings: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

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
        {**match, "bursts": [burst for burst in match["bursts"] if burst[2] >= _QUIET * most]}
        for match in matches
    ]
    enough = sum(len(match["bursts"]) for match in kept) >= _LEAST_BURSTS
    return [match for match in kept if match["bursts"]] if enough else [dict(match) for match in matches]


def rows(results: Results, threads: int) -> list[Row]:
    """Those that there are of the workloads that are held to bars."""
    return _rows(results, cases(), threads)


def _rows(results: Results, wanted: Sequence[Case], threads: int) -> list[Row]:
    found = (row(results, case, threads) for case in wanted)
    return [each for each in found if each is not None]


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


def _threads(results: Results) -> list[int]:
    return sorted({int(key.rpartition("|")[2]) for key in results.matches} | {1, 2})


def failed_bars(results: Results) -> list[str]:
    """One line per bar that was missed."""
    lines = []
    for threads in _threads(results):
        where = f"{threads} thread{'s' if threads > 1 else ''}"
        found = rows(results, threads)
        missing = [case.name for case in cases() if case.name not in {each.case.name for each in found}]
        if missing:
            lines.append(f"{where}: not compared: {', '.join(missing)}")
        if not found:
            continue
        for label, value, least in _bars(found):
            if value < least:
                lines.append(f"{where}, {label}: {value:.3f}, bar {least:.2f}")
        for each in found:
            if each.ratio < LEAST:
                lines.append(f"{where}, {each.case.name}: {each.ratio:.3f}, bar {LEAST:.2f}")
            if not each.exact:
                lines.append(f"{where}, {each.case.name}: a result is not exact")
    apart = tuple(f"{case.name}|" for case in beside())
    failed = sum(e["failed"] for name, e in results.tunings.items() if not name.startswith(apart))
    if failed:
        lines.append(f"{failed} candidates failed after the solver had called them valid, bar 0")
    return lines


def _bars(found: list[Row]) -> list[tuple[str, float, float]]:
    """(what, geometric mean, bar)."""
    bars = [("all workloads", geomean([each.ratio for each in found]), GEOMEAN)]
    for family in dict.fromkeys(each.case.family for each in found):
        ratios = [each.ratio for each in found if each.case.family == family]
        bars.append((f"{family} ({len(ratios)})", geomean(ratios), bar(family)))
    return [*bars, ("limit / heron's time", geomean([each.share for each in found]), OF_LIMIT)]


def render(results: Results) -> str:
    """The whole page."""
    prose = method(
        "u8 × s8 → s32",
        "oneDNN is held to\nAVX-512 VNNI, the instructions of heron's target.",
        "zmm vpdpbusd",
    )
    command = "python -m benchmarks.dlboost_operators"
    sections = [["# Every operator on DL Boost against oneDNN", "", *circumstances(results, command), *prose]]
    sections[0] += [f"\n{note}" for note in results.notes]
    failures = failed_bars(results)
    bars = ["## Bars", ""]
    for threads in _threads(results):
        found = rows(results, threads)
        if found:
            bars += [
                f"| {threads} thread{'s' if threads > 1 else ''} | geometric mean | bar | |",
                "|---|---|---|---|",
            ]
            bars += [
                f"| {label} | {value:.3f} | ≥ {least:.2f} | {'met' if value >= least else '**missed**'} |"
                for label, value, least in _bars(found)
            ]
            at_best = geomean([each.at_best for each in found])
            bars += [f"| the same at best | {at_best:.3f} | | no bar: bars are on medians |", ""]
    bars += ["All bars are met." if not failures else "Missed:", *(f"- {text}" for text in failures)]
    sections.append(bars)
    sections += [
        [f"## {threads} thread{'s' if threads > 1 else ''}", "", *_table(results, threads)]
        for threads in _threads(results)
    ]
    sections += _beside(results)
    sections.append(["## Trials", "", *trials(results)])
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def method(types: str, held: str, instruction: str) -> list[str]:
    """How it was measured: of what element types, what oneDNN was held to, whose peak sets the limit."""
    text = _PROSE.format(types=types, held=held, instruction=instruction, quiet=_QUIET)
    return text.strip().splitlines()


def circumstances(results: Results, command: str) -> list[str]:
    """Who wrote the page, where it was measured, and what tuning was given."""
    return [
        f"Written by `{command}`; do not edit.",
        "",
        *(f"- {label}: {text}" for label, text in results.machine.items()),
        f"- budget: {results.budget}",
        *(_memory(threads, levels) for threads, levels in sorted(results.memory.items())),
        "",
    ]


def _memory(threads: str, levels: list[dict[str, Any]]) -> str:
    parts = [f"{each.name} {each.read / 1e9:.0f}/{each.write / 1e9:.0f}" for each in to_levels(levels)]
    return f"- GB/s read/written by {threads} thread{'s' if threads != '1' else ''}: {', '.join(parts)}"


def _table(results: Results, threads: int) -> list[str]:
    lines = table(results, cases(), threads)
    network = [each for each in rows(results, threads) if each.case.name.startswith("ResNet-50")]
    if network and len(network) == sum(case.name.startswith("ResNet-50") for case in cases()):
        theirs, ours = (sum(getattr(e, k) * e.case.count for e in network) for k in ("theirs", "ours"))
        text = f"oneDNN {theirs * 1e3:.2f} ms, heron {ours * 1e3:.2f} ms, {theirs / ours:.3f}"
        lines += ["", f"All layers of ResNet-50, each as often as it occurs: {text}."]
    return lines


def _beside(results: Results) -> list[list[str]]:
    """A section of what no bar counts; nothing where none of it was compared."""
    found = [(threads, _rows(results, beside(), threads)) for threads in _threads(results)]
    lines = ["## Beside them: depthwise layers of MobileNet", "", "They count for no bar.", ""]
    for threads, compared in found:
        if compared:
            mean = geomean([each.ratio for each in compared])
            head = f"{threads} thread{'s' if threads > 1 else ''}: geometric mean {mean:.3f}"
            lines += [head, "", *table(results, beside(), threads), ""]
    return [lines[:-1]] if any(compared for _, compared in found) else []


def table(results: Results, wanted: Sequence[Case], threads: int, against: str = "") -> list[str]:
    """The table of some workloads, with two columns more where kernels of another target are compared too."""
    more = f"| {against} µs | {against} / heron " if against else ""
    lines = [f"{_HEAD}{more}|", "|---" * (14 if against else 12) + "|"]
    for case in wanted:
        found = row(results, case, threads)
        if found is None:
            reason = str(results.matches.get(f"{case.name}|{threads}", "not compared")).strip()
            cells = [case.name, case.family, reason.splitlines()[-1], *[""] * (11 if against else 9)]
            lines.append("| " + " | ".join(cells) + " |")
            continue
        tuning = results.tunings.get(f"{case.name}|{threads}", {})
        cells = [
            case.name + (f" ×{case.count}" if case.count > 1 else ""),
            case.family,
            f"{found.theirs * 1e6:.2f}",
            f"{found.ours * 1e6:.2f}",
            f"**{found.ratio:.3f}** ({found.spread[0]:.2f}–{found.spread[1]:.2f})",
            f"{found.limit.seconds * 1e6:.2f}",
            f"{found.share:.2f}",
            f"{found.at_best:.2f}",
            found.limit.by,
            "both" if found.exact else "**no**",
            str(tuning.get("variant", "")),
            found.implementation,
            *(_beside_it(row(results, case, threads, against)) if against else ()),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _beside_it(found: Row | None) -> tuple[str, str]:
    """Cells for the other target's kernel, in turns with the one in the row."""
    if found is None:
        return "not compared", ""
    exact = "" if found.exact else ", **not exact**"
    return f"{found.theirs * 1e6:.2f}{exact}", f"{found.ratio:.2f}"


def trials(results: Results) -> list[str]:
    entries = results.tunings.values()
    if not entries:
        return ["None."]
    numbers = [entry["trials"] for entry in entries]
    failed = sum(entry["failed"] for entry in entries)
    reasons = Counter[str]()
    for entry in entries:
        reasons.update(entry["reasons"])
    return [
        f"{sum(numbers)} trials of {len(numbers)} workloads × threads, {min(numbers)} to {max(numbers)} each "
        f"(median {median(numbers):.0f}); {failed} failed.",
        "",
        *(f"- {times} × {reason}" for reason, times in reasons.most_common()),
    ]
