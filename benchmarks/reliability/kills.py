"""The tuner killed with -9 at random instants, and started again until it is done.

Twice: `heron tune` for VTA by CGA (cycles are the same every time, so the whole run must be), and a search by
the method `random` whose kernels are measured in isolated processes (so that there are processes to be left).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.reliability import fakes
from heron_cli.records import Purpose, Store

SHAPE = "m=32,n=64,k=64"
TRIALS = 48
LOCAL = """
import sys
from pathlib import Path
from types import SimpleNamespace
sys.path.insert(0, {here!r})
sys.path.insert(0, {search!r})
from measure_fakes import *
from toy import variant, problem
from heron_cli.measure.local import LocalRunner
from heron_cli.measure.timing import TimingOptions
from heron_cli.records import Store
from heron_cli.search.driver import tune
from heron_cli.search.result import Budget
timing = TimingOptions(
    warmup_seconds=0.001, slice_seconds=0.001, floor_seconds=0.02, close_floor_seconds=0.02, most_seconds=0.05
)
backend = FakeBackend(sys.argv[1], build_seconds=0.01)
with Store.open(sys.argv[2]) as store, LocalRunner(
    Task(), backend, reference, timing=timing, preload=(), jobs=1
) as runner:
    tune(problem(variant("good")), "random", runner, store, Budget(int(sys.argv[3])), 7)
"""


def run(kills: int, seed: int = 0) -> dict[str, Any]:
    """Kill each kind of tuner `kills` times."""
    return {"vta": vta(kills, seed), "local": local(kills, seed)}


def vta(kills: int, seed: int = 0) -> dict[str, Any]:
    """`heron tune gemm --target vta`, cycles modelled."""
    with tempfile.TemporaryDirectory() as folder:

        def command(database: Path) -> list[str]:
            options = ["--target", "vta", "--shape", SHAPE, "--trials", str(TRIALS), "--seed", "3"]
            return [sys.executable, "-m", "heron_cli", "tune", "gemm", *options, "--db", str(database)]

        return _kill(command, Path(folder), kills, random.Random(seed), measured=True)


def local(kills: int, seed: int = 0) -> dict[str, Any]:
    """A search with isolated measuring of native kernels."""
    with tempfile.TemporaryDirectory() as folder:
        library = fakes.library(Path(folder))
        script = LOCAL.format(here=str(fakes.HERE), search=str(fakes.HERE.parent / "search"))

        def command(database: Path) -> list[str]:
            return [sys.executable, "-c", script, library, str(database), str(TRIALS)]

        return _kill(command, Path(folder), kills, random.Random(seed), measured=False)


def _kill(
    command: Any, folder: Path, kills: int, random_: random.Random, *, measured: bool
) -> dict[str, Any]:
    scratch = folder / "scratch"
    scratch.mkdir()
    env = {**os.environ, "TMPDIR": str(scratch)}
    began = time.monotonic()
    subprocess.run(command(folder / "calm.db"), env=env, check=True, capture_output=True)
    whole = time.monotonic() - began
    calm = _trials(folder / "calm.db", measured)
    done = runs = lost = twice = different = 0
    while done < kills:
        database = folder / f"killed-{runs}.db"
        runs += 1
        seen: set[object] = set()
        while True:
            process = subprocess.Popen(
                command(database), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            try:
                # not beyond the end of a calm run, so that about every start is killed
                _, said = process.communicate(timeout=random_.uniform(0.0, whole) if done < kills else None)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.communicate()
                done += 1
                now = set(_trials(database, measured)) if database.exists() else set()
                lost += len(seen - now)
                seen = now
                continue
            if process.returncode != 0:
                raise RuntimeError(f"the tuner failed:\n{said.decode()[-2000:]}")
            break
        trials = _trials(database, measured)
        twice += len(trials) - len({(trial[0], trial[1]) for trial in trials})
        different += set(trials) != set(calm)
    deadline = time.monotonic() + 30
    while (left := [*scratch.iterdir()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return {
        "kills": done,
        "runs": runs,
        "trials of a run": len(calm),
        "records lost": lost,
        "measured twice": twice,
        "runs that ended differently": different,
        "files left": len(left),
        "processes left": len(fakes.processes_naming(str(scratch))),
    }


def _trials(database: Path, measured: bool) -> Sequence[tuple[object, ...]]:
    """What a run has tried, in a form that compares; times of native kernels are left out."""
    try:
        with Store.open(database, read_only=True) as store:
            records = [record for record in store.all() if record.purpose is Purpose.TRIAL]
    except Exception:  # killed before the database was made
        if database.exists() and database.stat().st_size > 0:
            raise
        return []
    return [
        (
            record.trial.candidate,
            str(record.purpose),
            record.round,
            record.position,
            str(record.trial.measurement.status),
            record.trial.measurement.cycles if measured else None,
        )
        for record in records
    ]
