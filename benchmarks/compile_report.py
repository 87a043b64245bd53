"""The Markdown of benchmarks/results/tensorcore-compile.md, from what became of the samples."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from heron_cli.backends.cuda.compile import compiler

if TYPE_CHECKING:
    from benchmarks.tensorcore_compile import Judged

FAILURES, SPILLS = 0, 0.01  # goals: candidates that do not compile, share of those that spill
_TENSOR = ("HMMA", "IMMA", "HGMMA", "IGMMA")
_SHOWN = 8


def markdown(samples: Sequence[Judged], command: str, tool: str | None) -> tuple[str, bool]:
    """The page, and whether the goals are met."""
    admitted = [each for each in samples if each.admitted]
    failed = [each for each in admitted if each.sample.failure]
    built = [each for each in admitted if not each.sample.failure]
    spilled = [each for each in built if spills(each)]
    share = len(spilled) / len(built) if built else 1.0
    met = len(failed) <= FAILURES and share < SPILLS
    lines = [
        "# TensorCore: what the compiler makes of random candidates",
        "",
        command,
        "",
        f"TVM {metadata.version('apache-tvm')}, {compiler()}, {platform.machine()}; no GPU is used.",
        "",
        "Assignments are drawn uniformly from the spaces of twelve shapes, for every variant, with a rule on",
        "registers that is a little looser than the accelerator's, so that both sides are seen. The",
        f"rules of the YAML admit {len(admitted)} of the {len(samples)} samples.",
        "",
        "| of those admitted | | goal | |",
        "|---|---|---|---|",
        f"| fail to compile | {len(failed)} of {len(admitted)} | {FAILURES} "
        f"| {verdict(len(failed) <= FAILURES)} |",
        f"| spill registers | {len(spilled)} of {len(built)} ({share:.1%}) | < {SPILLS:.0%} "
        f"| {verdict(share < SPILLS)} |",
        "",
        *_by_variant(built),
        *_registers(samples),
        *_machine(built, tool),
        *_listed("Failures", failed, lambda each: each.sample.failure),
        *_listed(
            "Spills",
            spilled,
            lambda each: (
                f"{each.sample.metrics['spill_bytes']:.0f} bytes, "
                f"{each.sample.metrics['registers']:.0f} registers, {each.predicted} predicted: "
                f"{dict(each.sample.values)}"
            ),
        ),
    ]
    return "\n".join(lines).rstrip() + "\n", met


def spills(each: Judged) -> bool:
    """Whether ptxas moved registers to memory."""
    return each.sample.metrics["spill_bytes"] > 0


def verdict(met: bool) -> str:
    """For a table."""
    return "met" if met else "**missed**"


def _kind(each: Judged) -> str:
    """Target and instruction."""
    return f"{each.sample.target.removeprefix('tensorcore-')} {path(each)}"


def path(each: Judged) -> str:
    """Which way of the emitters a sample went: its instruction, and what copies tiles."""
    return each.instruction + (", bulk copies" if "bulk" in each.sample.variant.split("-") else "")


def _groups(samples: Sequence[Judged]) -> dict[str, list[Judged]]:
    found: dict[str, list[Judged]] = {}
    for each in samples:
        found.setdefault(_kind(each), []).append(each)
    return dict(sorted(found.items()))


def _by_variant(built: Sequence[Judged]) -> list[str]:
    lines = [
        "| emitter | built | spill | serialized | registers, median | shared memory, median |",
        "|---|---|---|---|---|---|",
    ]
    for name, group in _groups(built).items():
        registers = np.median([each.sample.metrics["registers"] for each in group])
        shared = np.median([each.sample.metrics["shared_bytes"] for each in group])
        serialized = sum(each.sample.metrics["serialized"] > 0 for each in group)
        lines.append(
            f"| {name} | {len(group)} | {sum(map(spills, group))} | {serialized} | {registers:.0f} "
            f"| {shared / 1024:.0f} KiB |"
        )
    return [*lines, "", "*Serialized*: ptxas warns that it does not overlap warpgroup products.", ""]


def _registers(samples: Sequence[Judged]) -> list[str]:
    """Prediction against ptxas; those that spill say nothing of how many they would have needed."""
    lines = [
        "## Registers: the YAML's rule against ptxas",
        "",
        "Samples that do not spill, on both sides of the bound. Error: predicted − reported. With bulk",
        "copies the launch decides how many a thread has (`setmaxnreg`), so there is nothing to compare.",
        "",
        "| emitter | samples | mean error | mean absolute | 5 %, 95 % | spill, admitted | spill, refused "
        "| clean, refused |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, group in _groups([each for each in samples if not each.sample.failure]).items():
        if "bulk" in name:
            continue
        clean = [each for each in group if not spills(each)]
        error = np.array([each.predicted - each.sample.metrics["registers"] for each in clean])
        low, high = np.percentile(error, [5, 95])
        counts = [
            sum(spills(each) and each.admitted for each in group),
            sum(spills(each) and not each.admitted for each in group),
            sum(not spills(each) and not each.admitted for each in group),
        ]
        lines.append(
            f"| {name} | {len(clean)} | {error.mean():+.1f} | {np.abs(error).mean():.1f} "
            f"| {low:+.0f}, {high:+.0f} | {' | '.join(map(str, counts))} |"
        )
    return [*lines, ""]


def _machine(built: Sequence[Judged], tool: str | None) -> list[str]:
    lines = ["## Instructions in the machine code", ""]
    if tool is None:
        return [*lines, "Not looked at: no `nvdisasm` on the PATH (`pip install nvidia-cuda-nvdisasm`).", ""]
    lines += ["| emitter | kernels looked at | with tensor instructions | which |", "|---|---|---|---|"]
    for name, group in _groups([each for each in built if each.sample.machine is not None]).items():
        counts = Counter(word for each in group for word in _TENSOR if (each.sample.machine or {}).get(word))
        having = sum(any((each.sample.machine or {}).get(word) for word in _TENSOR) for each in group)
        words = ", ".join(f"{word} {count}" for word, count in sorted(counts.items()))
        lines.append(f"| {name} | {len(group)} | {having} | {words} |")
    return [*lines, ""]


def _listed(title: str, samples: Sequence[Judged], what: Callable[[Judged], str]) -> list[str]:
    if not samples:
        return []
    lines = [f"## {title}", ""]
    lines += [f"* {_kind(each)}, {each.sample.case}: {what(each)}" for each in samples[:_SHOWN]]
    if len(samples) > _SHOWN:
        lines.append(f"* and {len(samples) - _SHOWN} more")
    return [*lines, ""]
