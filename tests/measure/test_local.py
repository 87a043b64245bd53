from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from measure_fakes import Exactly, FakeBackend, Task, candidate, product, reference

from conftest import HERE, eventually, processes_naming
from heron_cli.measure import cpu
from heron_cli.measure.limits import Limits
from heron_cli.measure.local import LocalRunner
from heron_cli.measure.protocol import Runner
from heron_cli.measure.timing import TimingOptions
from heron_cli.trial import Measurement, Status

LIMITS = Limits(build_seconds=5.0, call_seconds=1.0, memory_bytes=1 << 30)
TIMING = TimingOptions(
    warmup_seconds=0.001,
    slice_seconds=0.001,
    floor_seconds=0.002,
    close_floor_seconds=0.003,
    most_seconds=0.01,
    rounds=3,
)


def make(library: str, **options: Any) -> LocalRunner:
    backend = FakeBackend(library, **{k: options.pop(k) for k in ("marks", "programs") if k in options})
    settings: dict[str, Any] = {"limits": LIMITS, "timing": TIMING, "preload": (), **options}
    return LocalRunner(Task(), backend, settings.pop("reference", reference), **settings)


@pytest.fixture(scope="module")
def runner(library: str) -> Iterator[LocalRunner]:
    with make(library) as runner:
        yield runner


def test_local_runner_keeps_the_protocol(runner: LocalRunner) -> None:
    assert isinstance(runner, Runner)


def test_every_candidate_gets_one_measurement(library: str) -> None:
    variants = ["good", "build-error", "segfaults", "wrong", "good_twin", "build-segfaults", "slow", "good"]
    with make(library) as runner:
        pairs = list(runner.run([candidate(v, n=n) for n, v in enumerate(variants)]))
    found = dict(pairs)
    assert len(pairs) == len(variants)
    ok, build, run, wrong = Status.OK, Status.BUILD_ERROR, Status.RUN_ERROR, Status.WRONG_RESULT
    assert [found[i].status for i in range(8)] == [ok, build, run, wrong, ok, build, ok, ok]
    for measurement in found.values():
        assert measurement.verified == (measurement.status is ok)
        assert (measurement.seconds is not None) == (measurement.status is ok)
        assert (measurement.reason == "") <= (measurement.status is ok)
    assert found[0].metrics == {"instructions": 12.0}
    assert found[0].run_seconds > 0


def test_the_best_verified_time_becomes_the_incumbent(library: str) -> None:
    with make(library, incumbent=1.0) as runner:
        ((_, slow),) = runner.run([candidate("slow")])
        assert runner.incumbent == slow.seconds
        list(runner.run([candidate("wrong")]))
        assert runner.incumbent == slow.seconds
        ((_, good),) = runner.run([candidate("good")])
        assert runner.incumbent == good.seconds


def test_equal_programs_are_run_once(library: str) -> None:
    programs = {"good": "P", "good_twin": "P", "wrong": "Q", "wrong:2": "Q"}
    with make(library, programs=programs) as runner:
        found = dict(runner.run([candidate(v) for v in programs]))
        later = dict(runner.run([candidate("good", n=3)]))
    assert found[0].seconds == found[1].seconds == later[0].seconds
    assert "same program as an earlier candidate, not run again" in (found[0].reason, found[1].reason)
    assert (
        min(found[0].run_seconds, found[1].run_seconds)
        == 0.0
        < max(found[0].run_seconds, found[1].run_seconds)
    )
    assert later[0].verified
    assert later[0].run_seconds == 0.0
    assert [found[i].status for i in (2, 3)] == [Status.WRONG_RESULT] * 2
    repeated = [found[i].reason for i in (2, 3) if "same program" in found[i].reason]
    assert len(repeated) == 1
    assert repeated[0].startswith("2 of 12 elements are wrong")


def test_programs_known_from_earlier_runs_are_not_run_again(library: str) -> None:
    before = {
        "P": Measurement(Status.OK, seconds=4.5, spread=0.1, verified=True, program="P"),
        "Q": Measurement(Status.DEVICE_LOST, reason="gone", program="Q"),
    }
    with make(library, programs={"good": "P", "good_twin": "Q"}, known=before) as runner:
        found = dict(runner.run([candidate("good"), candidate("good_twin")]))
    assert found[0].seconds == 4.5
    assert found[1].status is Status.OK  # a lost device says nothing about the program


def test_the_reference_is_computed_once(library: str) -> None:
    counted = Exactly(product)
    with make(library, reference=counted) as runner:
        list(runner.run([candidate("good"), candidate("segfaults"), candidate("good_twin")]))
        runner.remeasure([candidate("good"), candidate("slow")])
    assert counted.calls == 1


def test_remeasuring_keeps_the_order_and_reports_every_status(library: str, tmp_path: Path) -> None:
    with make(library, marks=str(tmp_path)) as runner:
        list(runner.run([candidate("good")]))
        variants = ["slow", "build-error", "good", "segfaults", "good_twin", "good"]
        found = runner.remeasure([candidate(v) for v in variants])
    ok = Status.OK
    assert [m.status for m in found] == [ok, Status.BUILD_ERROR, ok, Status.RUN_ERROR, ok, ok]
    assert found[0].seconds is not None
    assert found[2].seconds is not None
    assert found[0].seconds > found[2].seconds
    assert found[5].seconds == found[2].seconds
    built = [path.name.rpartition("-")[0] for path in tmp_path.iterdir()]
    assert built.count("good") == 1  # kept from the first run


def test_remeasuring_nothing_or_only_failures(runner: LocalRunner) -> None:
    assert runner.remeasure([]) == []
    (found,) = runner.remeasure([candidate("build-error")])
    assert found.status is Status.BUILD_ERROR


def test_builds_go_on_while_a_kernel_runs(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first kernel does not end before a later candidate is being built."""
    monkeypatch.setattr(cpu, "plan", lambda threads: cpu.CpuPlan((), (), overlap=True))
    monkeypatch.setenv("HERON_TEST_FILE", str(tmp_path / "signal"))
    with make(library, jobs=1) as runner:
        found = dict(runner.run([candidate("waits_for_file"), candidate("build-touches-file")]))
    assert found[0].status is Status.OK


def test_builds_and_timing_take_turns_when_cores_are_short(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first kernel waits for a file that only a later build would write: it waits in vain."""
    monkeypatch.setattr(cpu, "plan", lambda threads: cpu.CpuPlan((), (), overlap=False))
    monkeypatch.setenv("HERON_TEST_FILE", str(tmp_path / "signal"))
    with make(library, jobs=1) as runner:
        candidates = [candidate("waits_for_file"), *[candidate("good", n=n) for n in range(12)]]
        found = dict(runner.run([*candidates, candidate("build-touches-file")]))
    assert found[0].status is Status.TIMEOUT
    assert all(found[index].status is Status.OK for index in range(1, 13))


def test_an_iteration_left_early_leaves_the_runner_usable(runner: LocalRunner) -> None:
    for _ in runner.run([candidate("good_twin", n=7), candidate("pauses"), candidate("build-hangs")]):
        break
    ((_, found),) = runner.run([candidate("good", n=8)])
    assert found.status is Status.OK


def test_a_nursery_killed_from_outside_costs_nothing(library: str, nothing_left: Path) -> None:
    with make(library) as runner:
        for pid in [p for p in processes_naming(str(nothing_left)) if os.getppid() != p]:
            os.kill(pid, signal.SIGKILL)
        found = dict(runner.run([candidate("good"), candidate("slow")]))
    assert [found[i].status for i in (0, 1)] == [Status.OK, Status.OK]


def test_closing_twice_and_closing_unused(library: str, nothing_left: Path) -> None:
    runner = make(library)
    runner.close()
    runner.close()


DRIVER = """
import sys
sys.path.insert(0, sys.argv[2])
from measure_fakes import *
from heron_cli.measure.limits import Limits
from heron_cli.measure.local import LocalRunner
limits = Limits(build_seconds=600, call_seconds=600)
runner = LocalRunner(Task(), FakeBackend(sys.argv[1]), reference, limits=limits, preload=(), jobs=1)
for index, measurement in runner.run([candidate(name) for name in sys.argv[3:]]):
    print(index, measurement.status, flush=True)
"""


@pytest.mark.parametrize("stuck", ["pauses", "forks_then_pauses", "build-hangs"])
def test_nothing_is_left_when_the_tuner_is_killed(library: str, nothing_left: Path, stuck: str) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, library, str(HERE), "good", stuck],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(nothing_left)},
    )
    assert driver.stdout is not None
    assert driver.stdout.readline() == b"0 ok\n"
    assert eventually(lambda: any(nothing_left.rglob("*.npy")))
    assert len(processes_naming(str(nothing_left))) >= 4
    driver.kill()
    driver.wait()
