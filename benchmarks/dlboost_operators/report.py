"""The Markdown of benchmarks/results/dlboost-operators.md, from what was tuned and measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from benchmarks.dlboost_operators.cases import GEOMEAN, LEAST, OF_LIMIT, Case, bar, beside, cases
from benchmarks.dlboost_operators.limits import to_levels
from benchmarks.dlboost_operators.results import QUIET, Results, Row, row
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
_NEWEST = """
The newest oneDNN, {newest}, was compared in pairs of processes of its own, with the same kernels. Bars
count each workload by the faster oneDNN: by that comparison of which the ratio is lower, with its share of
the limit.
"""
_HEAD = (
    "| workload | family | oneDNN µs | heron µs | oneDNN / heron | limit µs | limit / heron | at best | by "
    "| exact | variant | oneDNN "
)


def rows(results: Results, threads: int) -> list[Row]:
    """Those that there are of the workloads that are held to bars, each by the faster oneDNN.

    Exact is what was so in every comparison.
    """
    others = {each.case.name: each for each in _rows(results, cases(), threads, results.newest)}
    both = ((each, others.get(each.case.name, each)) for each in _rows(results, cases(), threads))
    return [
        replace(min(pair, key=lambda one: one.ratio), exact=all(each.exact for each in pair)) for pair in both
    ]


def _rows(results: Results, wanted: Sequence[Case], threads: int, against: str = "") -> list[Row]:
    found = (row(results, case, threads, against) for case in wanted)
    return [each for each in found if each is not None]


def _threads(results: Results) -> list[int]:
    return sorted({int(key.rpartition("|")[2]) for key in results.matches} | {1, 2})


def failed_bars(results: Results) -> list[str]:
    """One line per bar that was missed."""
    lines = []
    for threads in _threads(results):
        where = f"{threads} thread{'s' if threads > 1 else ''}"
        found = rows(results, threads)
        for against in dict.fromkeys(("", results.newest)):
            there = {each.case.name for each in _rows(results, cases(), threads, against)}
            if missing := [case.name for case in cases() if case.name not in there]:
                others = f" with {against}" if against else ""
                lines.append(f"{where}: not compared{others}: {', '.join(missing)}")
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
    if results.newest:
        sections[0] += _NEWEST.format(newest=results.newest).rstrip().splitlines()
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
    text = _PROSE.format(types=types, held=held, instruction=instruction, quiet=QUIET)
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
    lines = table(results, cases(), threads, results.newest)
    network = [each for each in rows(results, threads) if each.case.name.startswith("ResNet-50")]
    if network and len(network) == sum(case.name.startswith("ResNet-50") for case in cases()):
        theirs, ours = (sum(getattr(e, k) * e.case.count for e in network) for k in ("theirs", "ours"))
        faster = "the faster oneDNN of each" if results.newest else "oneDNN"
        text = f"{faster} {theirs * 1e3:.2f} ms, heron {ours * 1e3:.2f} ms, {theirs / ours:.3f}"
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
    """The table of some workloads, with two columns more where `against`, another side, is compared too."""
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
    """Cells for the other side of a second comparison."""
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
