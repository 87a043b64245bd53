"""heron's side of a comparison: everything that knows its command line, its JSON and its library."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.buffers import Array, aligned
from benchmarks.cases import Case
from benchmarks.native import HERE, BenchmarkError
from benchmarks.onednn import Workload
from benchmarks.timing import NativeCall

TARGET = "dlboost"
CGA, RANDOM = "cga", "random"  # values of --method
PHASES = ("solve", "build", "measure", "model")


@dataclass(frozen=True, slots=True)
class Tuning:
    """What `heron tune --json` said of one workload, and the wall clock of the whole command."""

    trials: int
    valid: int
    invalid: int
    wall: float
    spent: Mapping[str, float] = field(default_factory=dict)  # seconds by phase
    best: float | None = None  # seconds per call, as heron measured it
    variant: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def heron(*arguments: str | Path) -> tuple[str, float]:
    """Run the command line; returns its stdout and the seconds it took. Raises BenchmarkError if it fails."""
    paths = [str(HERE.parent / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "heron_cli", *map(str, arguments)]
    start = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if done.returncode:
        raise BenchmarkError(f"heron {' '.join(map(str, arguments))}: exit code {done.returncode}")
    return done.stdout, time.monotonic() - start


def tune(
    workload: Case, trials: int, seconds: float, db: Path, *, seed: int = 0, method: str = CGA
) -> Tuning:
    """Tune one workload on one thread, for so many trials or seconds, whichever is first."""
    db.parent.mkdir(parents=True, exist_ok=True)
    what = ["--target", TARGET, "--shape", workload.shape_text, "--threads", "1"]
    budget = ["--trials", str(trials), "--time", f"{seconds:g}s", "--seed", str(seed), "--method", method]
    output, wall = heron("tune", workload.operator, *what, *budget, "--db", db, "--json")
    document = json.loads(output)
    best = document.get("best") or {}
    return Tuning(
        trials=document["trials"],
        valid=document["valid"],
        invalid=document["invalid"],
        wall=wall,
        spent=document["seconds_spent"],
        best=best.get("seconds"),
        variant=str(best.get("variant", "")),
    )


def records(db: Path) -> list[dict[str, Any]]:
    """The trials of a store in the order in which they were made (re-rankings left out)."""
    if not db.exists():
        return []
    output, _ = heron("records", "list", "--db", db, "--json")
    found: list[dict[str, Any]] = json.loads(output)
    return [record for record in found if record.get("purpose", "trial") == "trial"]


def export(db: Path, directory: Path) -> None:
    """Write the best verified kernel of every workload in `db` as a library."""
    heron("export-library", "--target", TARGET, "--db", db, "--out", directory, "--force")


@dataclass(frozen=True, slots=True)
class Ours:
    """A kernel of the exported library on fixed buffers."""

    call: NativeCall
    output: Array


def load_best(
    directory: Path, workload: Workload, arrays: Mapping[str, Array], output: Sequence[int], threads: int = 1
) -> Ours:
    """The library's public function for a workload, its weight packed, bound to `arrays` and a fresh output.

    Raises BenchmarkError when the library holds no such kernel, or loading it needed TVM.
    """
    before = set(sys.modules)
    from heron_cli import library
    from heron_cli.errors import HeronError
    from heron_cli.operators import registry

    try:
        shape: dict[str, Any] = {**registry.get(workload.operator).normalise(workload.shape, "the benchmark")}
        opened = library.load(directory)
        kernel = opened.find(workload.operator, **shape)
        opened.set_num_threads(threads)
        inputs = [
            _operand(kernel, operand, arrays[operand["name"]].reshape(operand["shape"]))
            for operand in kernel.operands[:-1]
        ]
    except (HeronError, RuntimeError) as error:
        raise BenchmarkError(str(error)) from None
    if "tvm" in set(sys.modules) - before:
        raise BenchmarkError("loading the exported library imported TVM; the comparison would not be fair")
    function = opened.function(kernel.symbol)
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    result = aligned(output, workload.types.output)
    buffers = (*inputs, result)
    return Ours(
        NativeCall(address, tuple(buffer.ctypes.data for buffer in buffers), (opened, buffers)), result
    )


def _operand(kernel: Any, operand: Mapping[str, Any], array: Array) -> Array:
    """What the kernel takes for an operand: constants packed."""
    packed: Array = array if operand["packed_bytes"] is None else kernel.pack(array).data
    return packed
