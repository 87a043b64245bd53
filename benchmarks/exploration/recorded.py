"""The measured points of a space as a small file in the repository: every method can be replayed from it.

What was remarked on a measurement stays with it: most were taken while others used the machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np

from benchmarks.exploration.measured import MeasuredBed
from benchmarks.exploration.points import Points
from benchmarks.exploration.statistics import Run
from benchmarks.exploration.tables import FOLDER, TableError
from heron_cli.measure.companion import USUAL
from heron_cli.records import cost_of
from heron_cli.trial import Candidate, Measurement, Status

SEARCHED = "python -m benchmarks.exploration.dlboost"
_PACE = re.compile(r" took ([0-9.]+) times as long as ")  # as heron_cli.measure remarks


def path_of(bed: MeasuredBed) -> Path:
    """Where a bed's table lies."""
    slug = "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in bed.name).split())
    return FOLDER / f"{bed.target}-{slug}.npz"


def write(path: Path, bed: MeasuredBed, points: Points) -> int:
    """Write all points that were measured; how many."""
    by_variant: dict[str, list[tuple[Candidate, float, str]]] = {}
    for candidate, found in points.all(bed.key):
        cost = cost_of(found)
        point = (candidate, np.inf if cost is None else cost, found.reason)
        by_variant.setdefault(candidate.variant, []).append(point)
    arrays: dict[str, object] = {"key": bed.key, "variants": np.array(list(by_variant))}
    for place, each in enumerate(by_variant.values()):
        arrays[f"names{place}"] = np.array([name for name, _ in each[0][0].knobs])
        arrays[f"rows{place}"] = np.array(
            [[v for _, v in candidate.knobs] for candidate, *_ in each], np.int32
        )
        arrays[f"seconds{place}"] = np.array([seconds for _, seconds, _ in each])
        remarks, which = np.unique([reason for *_, reason in each], return_inverse=True)
        arrays[f"remarks{place}"], arrays[f"remark{place}"] = remarks, which.astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return sum(map(len, by_variant.values()))


def read(path: Path, bed: MeasuredBed) -> dict[Candidate, Measurement]:
    """The measurements by point. Raises TableError where they are of another workload or accelerator file."""
    found: dict[Candidate, Measurement] = {}
    with np.load(path, allow_pickle=False) as file:
        if str(file["key"]) != bed.key:
            raise TableError(f"{path.name} is of {file['key']}; record it again: {SEARCHED}")
        for place, variant in enumerate(file["variants"].tolist()):
            names = file[f"names{place}"].tolist()
            rows, times = file[f"rows{place}"].tolist(), file[f"seconds{place}"].tolist()
            remarks = file[f"remarks{place}"][file[f"remark{place}"]].tolist()
            for row, seconds, remark in zip(rows, times, remarks, strict=True):
                candidate = Candidate.of(variant, dict(zip(names, row, strict=True)))
                found[candidate] = _measurement(seconds, remark)
    return found


def undisturbed(run: Run, points: Iterable[Measurement]) -> Run:
    """The run without what was disturbed, which counts as infinite: its time is no measure of the point."""
    out = {cost_of(each) for each in points if disturbed(each)}
    return replace(run, costs=tuple(inf if cost in out else cost for cost in run.costs))


def disturbed(found: Measurement) -> bool:
    """Whether something slowed the measurement, and not only seemed to: as heron remarks it by now."""
    return found.disturbed and ("another kernel" not in found.reason or (pace(found) or inf) > USUAL)


def pace(found: Measurement) -> float | None:
    """How much longer than usual another kernel or a fixed piece of work took beside the measurement, where
    that was remarked.
    """
    told = _PACE.search(found.reason)
    return None if told is None else float(told.group(1))


def _measurement(seconds: float, remark: str) -> Measurement:
    if np.isinf(seconds):
        return Measurement(Status.RUN_ERROR, reason=remark or "failed when it was recorded")
    return Measurement(Status.OK, seconds, verified=True, reason=remark)
