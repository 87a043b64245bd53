"""One piece of the benchmark's work, in a process of its own, and where its result is kept."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import heron_cli
from benchmarks.vta import cases
from benchmarks.vta.cycles import Cycles, mac_bound
from benchmarks.vta.hand import hand
from benchmarks.vta.sampling import sample
from benchmarks.vta.searching import search

_SEARCHING = ("search", "schedule", "space")  # packages that decide what a search tries


@dataclass(frozen=True, slots=True)
class Work:
    """`sample`: random samples and the hand schedule; `search`: the seeds below `seeds` of one method."""

    kind: str
    machine: str
    case: str
    method: str = ""
    seeds: int = 0
    trials: int = 0

    def __str__(self) -> str:
        parts = [self.kind, self.machine, self.case]
        return " ".join(parts + ([f"{self.method} x {self.seeds}"] if self.method else []))


def do(work: Work, folder: Path) -> str:
    """Do what is not done yet. The line says what came of it."""
    with Cycles(work.machine, cases.workloads()[work.case], folder) as cycles:
        if work.kind == "sample":
            found = _sample(work, cycles, folder)
            return f"{work}: best {found['bound'] / found['best']:.3f} of the bound, {found['rate']:.0f}/s"
        runs = [run_of(work, seed, folder) or _search(work, seed, cycles, folder) for seed in range(work.seeds)]
        best = min(min(run["cycles"]) for run in runs)
        return f"{work}: best {mac_bound(cycles) / best:.3f} of the bound"


def samples_of(machine: str, case: str, folder: Path) -> dict[str, Any] | None:
    """What is kept of a case's samples."""
    return _read(_sample_file(machine, case, folder))


def run_of(work: Work, seed: int, folder: Path) -> dict[str, Any] | None:
    """What is kept of a search."""
    return _read(_run_file(work, seed, folder))


def _sample(work: Work, cycles: Cycles, folder: Path) -> dict[str, Any]:
    file = _sample_file(work.machine, work.case, folder)
    known = _read(file)
    if known is not None:
        return known
    sampled = sample(cycles)
    (by_hand,) = cycles.of(np.array([cycles.variant.space.row(hand(cycles))]))
    found = {
        "bound": mac_bound(cycles),
        "best": min(sampled.cycles),
        "median": float(np.median(sampled.cycles)),
        "count": len(sampled.cycles),
        "rate": sampled.rate,
        "hand": by_hand,
    }
    _write(file, found)
    return found


def _search(work: Work, seed: int, cycles: Cycles, folder: Path) -> dict[str, Any]:
    from heron_cli.session.settings import Settings
    from heron_cli.session.spaces import problem

    tried = search(problem(cycles.task, Settings()), cycles, work.method, seed, work.trials)
    found = {**asdict(work), "seed": seed, "cycles": tried}
    _write(_run_file(work, seed, folder), found)
    return found


def _sample_file(machine: str, case: str, folder: Path) -> Path:
    return folder / "samples" / f"{machine}-{case}.json".replace(" ", "-")


def _run_file(work: Work, seed: int, folder: Path) -> Path:
    name = f"{work.machine}-{work.case}-{work.method}-{work.trials}-{seed}.json".replace(" ", "-")
    return folder / f"runs-{code()}" / name


def code() -> str:
    """What a search's outcome depends on besides its arguments: the code that searches, and the trees' library."""
    root = Path(heron_cli.__file__).parent
    digest = hashlib.sha256(metadata.version("lightgbm").encode())
    for package in _SEARCHING:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _read(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _write(file: Path, found: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(found), encoding="utf-8")
    partial.replace(file)
