"""The section "MetaSchedule" of a results page, from the outcomes in the work folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from benchmarks import sections
from benchmarks.metaschedule import outcome as outcomes
from benchmarks.metaschedule.machines import MACHINES, Machine
from benchmarks.metaschedule.outcome import Outcome, Side, refused
from benchmarks.native import CACHE

WORK = CACHE / "metaschedule"
TITLE = "## TVM MetaSchedule"
_PROSE = """
Written by `python -m benchmarks.metaschedule --target {name}`: MetaSchedule of the same TVM (its default
rules, evolutionary search and XGBoost), both tuners with the same trials, cores and inputs, a constant weight
packed in advance on both sides. Ratio: MetaSchedule's fastest over heron's, timed in turns after each result
was compared with the reference. `refused`: candidates that MetaSchedule drew (bred) and its own
postprocessors refused, which are no trials; `failed`: of the trials, those that did not build or run.
Where a cell has two numbers, heron's is the first.
"""


def keep(page: Path, target: str) -> None:
    """Put a target's section into its page, where there are outcomes; its script writes the rest anew."""
    machine = MACHINES[target]
    if found := outcomes.read_all(WORK / machine.name, machine.chosen):
        sections.put(page, section(machine, found))


def section(machine: Machine, found: Sequence[Outcome]) -> list[str]:
    """The section's lines."""
    lines = [TITLE, "", *_PROSE.format(name=machine.name).strip().splitlines()]
    lines += [machine.note, ""] if machine.note else [""]
    ratios = _ratios(found)
    if ratios:
        mean = _geomean(ratios)
        state = "met" if mean >= machine.bar and not missed(machine, found) else "**missed**"
        lines.append(
            f"Geometric mean {mean:.2f} over {len(ratios)} of {len(machine.chosen)} workloads "
            f"(bar {machine.bar:g}): {state}."
        )
    sides = (("MetaSchedule", [each.peer for each in found]), ("heron", [each.heron for each in found]))
    lines += [_failed(name, trials) for name, trials in sides if any(side.trials for side in trials)]
    lines += [
        "",
        "| workload | heron, µs | MetaSchedule, µs | ratio | trials | refused, drawn | refused, bred "
        "| MetaSchedule failed: build, run | heron failed | wall, s |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_row(each) for each in found),
        "",
    ]
    hows = sorted({each.how for each in found if each.how})
    lines += [f"* Timed by {how}." for how in hows]
    lines += [f"* {text}" for text in sorted({each.machine for each in found if each.machine})]
    lines += [f"* {each.name}: {each.failure}" for each in found if each.failure]
    lines += [
        f"* {each.name}: MetaSchedule's no. {n} is wrong: {text}"
        for each in found
        for n, text in each.wrong.items()
    ]
    reasons: dict[str, int] = {}
    for each in found:
        for reason, times in each.peer.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + times
    lines += [f"* {times} × {reason}" for reason, times in sorted(reasons.items(), key=lambda e: -e[1])[:6]]
    return lines


def missed(machine: Machine, found: Sequence[Outcome]) -> bool:
    """Whether the bar is missed; also where a workload is missing or lacks trials."""
    ratios = _ratios(found)
    whole = len(ratios) == len(machine.chosen) and all(each.complete for each in found)
    return not whole or _geomean(ratios) < machine.bar


def _row(each: Outcome) -> str:
    theirs = [seconds for name, seconds in each.times.items() if name != "heron"]
    ratio = each.ratio
    cells = [
        each.name,
        _micro(each.times.get("heron")),
        _micro(min(theirs, default=None)),
        "" if ratio is None else f"**{ratio:.2f}**",
        f"{each.heron.trials} / {each.peer.trials}",
        _share(refused(each.drawn)),
        _share(refused(each.bred)),
        ", ".join(_share(each.peer.failed.get(s, 0) / each.peer.trials) for s in ("build", "run"))
        if each.peer.trials
        else "",
        _share(each.heron.share) if each.heron.trials else "",
        f"{each.heron.wall:.0f} / {each.peer.wall:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _failed(name: str, sides: Sequence[Side]) -> str:
    trials = sum(side.trials for side in sides)
    failed = sum(sum(side.failed.values()) for side in sides)
    return f"{name}: {failed} of {trials} trials failed ({failed / trials:.1%})."


def _ratios(found: Sequence[Outcome]) -> list[float]:
    return [ratio for each in found if (ratio := each.ratio) is not None]


def _geomean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def _micro(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e6:.2f}"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
