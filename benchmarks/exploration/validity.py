"""Which share of candidates is valid, for searches that do and do not know the constraints."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.exploration import tables
from benchmarks.exploration.beds import Bed
from heron_cli.search.genes import breed, domains
from heron_cli.search.repair import repair
from heron_cli.space import Evaluator
from heron_cli.space.size import Share, wilson

if TYPE_CHECKING:
    from heron_cli.schedule.task import Task
    from heron_cli.search.problem import Problem

DRAWN = 50_000
PAIRS = 2_000
RECORDED = tables.FOLDER / "validity.json"  # of real builds, see `benchmarks.metaschedule.sampling`
TITLE = "## Validity beside MetaSchedule"
_PROSE = """
Written by `python -m benchmarks.metaschedule.sampling`: candidates of MetaSchedule (same TVM, its default
rules, a byte product that builds with this LLVM) that pass its own postprocessors and then build (LLVM; nvcc
for the GPU), drawn one decision at a time, and bred by its evolutionary search without measurements. Nothing
is run, so what would fail on the machine is not counted. heron's are drawn by its sampler from all variants
alike; the last column is how many of them were built. On GPUs MetaSchedule's rules give wmma schedules only.
"""
PARTS = ("knobs", "heron", "uniform", "bred")


@dataclass(frozen=True)
class Validity:
    """Shares of valid candidates."""

    bed: str
    unconstrained: Share  # every knob drawn by itself
    children: Share  # crossover and mutation of two valid parents, constraints unknown
    repaired: Share
    ours: Share  # drawn by the sampler


def validity(bed: Bed, seed: int = 0) -> Validity:
    """Draw from a bed's space in four ways and ask the evaluator."""
    return Validity(bed.name, **shares_of(bed.task, bed.problem, seed))


def shares_of(task: Task, problem: Problem, seed: int = 0) -> dict[str, Share]:
    """The shares of `Validity` over all variants alike."""
    rng, counts = np.random.default_rng(seed), np.zeros((4, 2), dtype=np.int64)
    valid = {each.name: Evaluator(each.space).valid for each in task.variants}
    draws, pairs = DRAWN // len(problem.variants), PAIRS // len(problem.variants)
    for variant in problem.variants:
        blind = np.stack([rng.choice(domain, size=draws) for domain in domains(variant)], axis=1)
        parents = variant.sampler.sample(2 * pairs, rng)
        parents = parents[: len(parents) // 2 * 2].reshape(-1, 2, parents.shape[1])
        children = breed(parents, domains(variant), rng)
        mended = repair(variant, children, parents[:, 0], rng)
        own = variant.sampler.sample(draws, rng)
        drawn = (blind, children, mended, own)
        counts += [(int(valid[variant.name](rows).sum()), len(rows)) for rows in drawn]
    names = ("unconstrained", "children", "repaired", "ours")
    return {name: wilson(*pair) for name, pair in zip(names, counts.tolist(), strict=True)}


def built() -> list[str]:
    """The section on what MetaSchedule and heron draw, refuse and build, from the recorded file."""
    if not RECORDED.exists():
        return []
    lines = [
        TITLE,
        "",
        *_PROSE.strip().splitlines(),
        "",
        "| space | every knob by itself | GA's children | MetaSchedule, drawn | MetaSchedule, bred "
        "| heron's sampler | heron's, built |",
        "|---|---|---|---|---|---|---|",
    ]
    reasons: dict[str, int] = {}
    for space, entry in json.loads(RECORDED.read_text()).items():
        knobs = entry.get("knobs", {})
        cells = [f"{knobs[name]['value']:.2%}" if knobs else "" for name in ("unconstrained", "children")]
        cells += [_valid(entry.get(part)) for part in ("uniform", "bred")]
        cells += [f"{knobs['ours']['value']:.2%}" if knobs else "", _built(entry.get("heron"))]
        lines.append(f"| {space} | " + " | ".join(cells) + " |")
        for part in ("uniform", "bred"):
            for reason, times in entry.get(part, {}).get("failed", {}).items():
                reasons[reason] = reasons.get(reason, 0) + times
    most = sorted(reasons.items(), key=lambda each: -each[1])[:4]
    return [
        *lines,
        "",
        "Why MetaSchedule's candidates did not build:",
        "",
        *(f"* {n} × {r}" for r, n in most),
    ]


def _built(drawn: dict[str, Any] | None) -> str:
    return f"{drawn['built'] - sum(drawn['failed'].values())} of {drawn['built']}" if drawn else ""


def _valid(drawn: dict[str, Any] | None) -> str:
    """Share that its own postprocessors pass times share of those that build."""
    if not drawn:
        return ""
    total = drawn["passed"] + sum(drawn["refused"].values())
    passed = drawn["passed"] / total
    builds = 1 - sum(drawn["failed"].values()) / drawn["built"] if drawn["built"] else 0.0
    parts = f"{passed:.1%} of {total} pass, {builds:.0%} of {drawn['built']} build"
    return f"**{passed * builds:.1%}** ({parts})"
