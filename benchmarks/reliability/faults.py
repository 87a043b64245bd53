"""Candidates that misbehave, between two good ones: what becomes of all three, and what is left behind."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.reliability import fakes
from heron_cli.measure.limits import Limits
from heron_cli.measure.local import LocalRunner
from heron_cli.measure.timing import TimingOptions
from heron_cli.records import Record, Store, current_versions
from heron_cli.records.record import utc_now
from heron_cli.trial import Candidate, Measurement, Status, Trial

RUN, WRONG, LATE, BUILD = Status.RUN_ERROR, Status.WRONG_RESULT, Status.TIMEOUT, Status.BUILD_ERROR
FAULTS: tuple[tuple[str, str, Status], ...] = (
    ("segfaults", "segfaults", RUN),
    ("aborts", "aborts", RUN),
    ("exits", "exits", RUN),
    ("divides by zero", "divides_by_zero", RUN),
    ("hangs in native code", "pauses", LATE),
    ("spins", "spins", LATE),
    ("spins and ignores signals", "ignores_signals", LATE),
    ("leaks past the memory limit", "leaks", RUN),
    ("writes past the end of its output (canary)", "overruns", WRONG),
    ("writes before its output (canary)", "underruns", WRONG),
    ("writes a page past its output (guard page)", "overruns_far", RUN),
    ("reads past its input (guard page)", "reads_past_input", RUN),
    ("writes to its input (read-only page)", "writes_input", RUN),
    ("returns wrong numbers", "wrong", WRONG),
    ("writes nothing", "writes_nothing", WRONG),
    ("is right once only", "accumulates", WRONG),
    ("prints megabytes", "prints", Status.OK),
    ("prints without end", "prints_forever", LATE),
    ("forks", "forks", RUN),
    ("daemonises", "daemonises", RUN),
    ("forks into another session and crashes", "leaves_and_crashes", RUN),
    ("leaves files and crashes", "leaves_file", RUN),
    ("closes all descriptors", "closes_everything", RUN),
    ("scribbles on all descriptors", "scribbles_on_descriptors", RUN),
    ("kills the process above it", "kills_parent", RUN),
    ("the builder crashes", "build-segfaults", BUILD),
    ("the builder aborts", "build-aborts", BUILD),
    ("the builder exits", "build-exits", BUILD),
    ("the builder hangs", "build-hangs", LATE),
    ("the builder leaks past the memory limit", "build-leaks", BUILD),
    ("the builder is killed, as by the OOM killer, each time", "build-killed", BUILD),
)


def run(repeats: int) -> dict[str, Any]:
    """Every fault `repeats` times in one long run."""
    from measure_fakes import FakeBackend, Task, candidate, reference

    limits = Limits(
        build_seconds=3.0, call_seconds=3.0, load_seconds=10.0, timing_seconds=10.0, memory_bytes=256 << 20
    )
    timing = TimingOptions(
        warmup_seconds=0.001,
        slice_seconds=0.001,
        floor_seconds=0.002,
        close_floor_seconds=0.003,
        most_seconds=0.01,
    )
    rows = []
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as scratch:
        os.environ["TMPDIR"] = tempfile.tempdir = scratch
        backend = FakeBackend(fakes.library(Path(place)))
        with (
            Store.open(Path(place) / "records.db") as store,
            LocalRunner(
                Task(), backend, reference, limits=limits, timing=timing, preload=(), jobs=1
            ) as runner,
        ):
            for label, variant, expected in FAULTS:
                rows.append(_fault(label, variant, expected, repeats, runner, store, candidate))
        deadline = time.monotonic() + 20
        while (left := [*Path(scratch).iterdir()]) and time.monotonic() < deadline:
            time.sleep(0.05)
        tempfile.tempdir = None
        del os.environ["TMPDIR"]
        processes = fakes.processes_naming(scratch)
    return {"rows": rows, "files left": len(left), "processes left": len(processes)}


def _fault(
    label: str, variant: str, expected: Status, repeats: int, runner: LocalRunner, store: Store, make: Any
) -> dict[str, Any]:
    tried = survived = 0
    otherwise: list[str] = []
    for number in range(repeats):
        names = ("good", variant, "good_twin")
        candidates = [make(name, n=number, f=FAULTS_BY_NAME[variant]) for name in names]
        found: dict[int, Measurement] = {}
        for index, measurement in runner.run(candidates):
            found[index] = measurement
            store.add(_record(candidates[index], measurement, label))
        tried += 1
        wrong = [
            f"{name}: {_said(found.get(index))}"
            for index, name in enumerate(names)
            if not _due(found.get(index), expected if index == 1 else Status.OK, checked=index != 1)
        ]
        survived += not wrong
        otherwise += wrong
    kept = sum(record.workload == label for record in store.all())
    print(f"{label}: {survived} of {tried}", *otherwise, sep="\n  ", flush=True)
    return {
        "fault": label,
        "outcome": str(expected),
        "tried": tried,
        "survived": survived,
        "records lost": 3 * tried - kept,
        "otherwise": otherwise,
    }


def _due(found: Measurement | None, status: Status, *, checked: bool) -> bool:
    return found is not None and found.status is status and (found.verified or not checked)


def _said(found: Measurement | None) -> str:
    return "lost" if found is None else f"{found.status}, verified: {found.verified}, {found.reason}"


FAULTS_BY_NAME = {variant: index for index, (_, variant, _) in enumerate(FAULTS)}


def _record(candidate: Candidate, measurement: Measurement, workload: str) -> Record:
    return Record(
        workload=workload,
        definition={},
        operator="gemm",
        target="fake",
        target_digest="fake",
        threads=1,
        trial=Trial(candidate, measurement),
        seed=0,
        method="random",
        versions=current_versions(),
        created=utc_now(),
    )
