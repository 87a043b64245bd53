"""Searches that share measured points: each once, whoever asks, killed or not, and replayed from a table."""

from __future__ import annotations

import pickle
import queue
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.dlboost_operators.slots import Slot
from benchmarks.exploration import dlboost, recorded, report, side_by_side
from benchmarks.exploration.measured import Asker, MeasuredBed, Recorded, TimeUpError, search
from benchmarks.exploration.points import Points
from benchmarks.exploration.runs import WARM, Runs
from benchmarks.exploration.side_by_side import TOLD_METHOD, TOLD_SEED, TOLD_TRIALS, Plan, Work, worker
from benchmarks.exploration.statistics import Run
from benchmarks.exploration.tables import TableError
from heron_cli import session
from heron_cli.trial import Candidate, Measurement, Status

FOREVER = float("inf")
BED = MeasuredBed("gemm small", "gemm", {"m": 64, "n": 64, "k": 64})
OTHERS = (
    MeasuredBed("gemm other", "gemm", {"m": 32, "n": 128, "k": 64}),
    MeasuredBed("gemm third", "gemm", {"m": 128, "n": 32, "k": 128}),
)


class Machine:
    """A runner whose times follow from the knobs; it counts what it measures."""

    def __init__(self) -> None:
        self.measured: list[Candidate] = []

    def run(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, Measurement]]:
        for place in reversed(range(len(candidates))):  # not in order, as real runners
            self.measured.append(candidates[place])
            yield place, time_of(candidates[place])

    def close(self) -> None:
        pass


def time_of(candidate: Candidate) -> Measurement:
    number = sum((place + 1) * value for place, (_, value) in enumerate(candidate.knobs))
    if number % 11 == 0:
        return Measurement(Status.RUN_ERROR, reason="made to fail")
    return Measurement(Status.OK, 1e-6 * (1 + number % 97), 0.01, verified=True)


def some(count: int) -> list[Candidate]:
    return [Candidate.of("direct", {"a": number, "b": 2 * number}) for number in range(count)]


def test_a_point_is_measured_once_whoever_asks(tmp_path: Path) -> None:
    machine = Machine()
    with Points(tmp_path / "p.db") as one, Points(tmp_path / "p.db") as other:
        first = Asker(one, "s", machine, FOREVER)(some(6))
        again = Asker(other, "s", machine, FOREVER)(some(9))
    assert [m.seconds for m in again[:6]] == [m.seconds for m in first]
    assert [m.seconds for m in again] == [time_of(each).seconds for each in some(9)]
    assert sorted(machine.measured, key=str) == sorted(some(9), key=str)


def test_points_of_other_spaces_do_not_count(tmp_path: Path) -> None:
    machine = Machine()
    with Points(tmp_path / "p.db") as points:
        Asker(points, "s", machine, FOREVER)(some(2))
        Asker(points, "t", machine, FOREVER)(some(2))
        assert [len(list(points.all(space))) for space in "stu"] == [2, 2, 0]
    assert len(machine.measured) == 4


def test_a_claim_holds_while_its_owner_lives_and_no_longer(tmp_path: Path) -> None:
    (candidate,) = some(1)
    claim = (
        "import sys, time; from pathlib import Path; from benchmarks.exploration.points import Points;"
        "from heron_cli.trial import Candidate; p = Points(Path(sys.argv[1]));"
        "print(p.claim('s', Candidate.of('direct', {'a': 0, 'b': 0})), flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", claim, str(tmp_path / "p.db")]
    with Points(tmp_path / "p.db") as points:
        owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert owner.stdout is not None and owner.stdout.readline() == "True\n"
        assert not points.claim("s", candidate)
        assert points.wait("s", candidate, time.monotonic() + 0.1) is None  # the time was up
        with pytest.raises(TimeUpError):
            Asker(points, "s", Machine(), time.monotonic() - 1)([candidate])
        owner.kill()
        owner.wait()
        machine = Machine()
        Asker(points, "s", machine, FOREVER)([candidate])
        assert machine.measured == [candidate]


def test_when_the_time_is_up_what_was_measured_is_kept_and_the_rest_is_free(tmp_path: Path) -> None:
    class Slow(Machine):
        def run(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, Measurement]]:
            for each in super().run(candidates):
                time.sleep(0.05)
                yield each

    with Points(tmp_path / "p.db") as points:
        with pytest.raises(TimeUpError):
            Asker(points, "s", Slow(), time.monotonic() + 0.02)(some(5))
        kept = list(points.all("s"))
        machine = Machine()
        Asker(points, "s", machine, FOREVER)(some(5))
    assert 1 <= len(kept) < 5
    assert len(machine.measured) == 5 - len(kept)


def test_a_lost_device_is_no_measurement(tmp_path: Path) -> None:
    class Lost(Machine):
        def run(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, Measurement]]:
            yield 0, Measurement(Status.DEVICE_LOST, reason="gone")

    with Points(tmp_path / "p.db") as points:
        with pytest.raises(RuntimeError, match="gone"):
            Asker(points, "s", Lost(), FOREVER)(some(1))
        assert list(points.all("s")) == []


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> list[Machine]:
    """Runners that `session.make_runner` gave; none of them builds."""
    made: list[Machine] = []

    def make(*_: Any) -> Machine:
        made.append(Machine())
        return made[-1]

    monkeypatch.setattr(session, "make_runner", make)
    monkeypatch.setattr(side_by_side, "settle", lambda slot: None)
    return made


def done(work: Sequence[Work], points: Path, until: float = FOREVER) -> list[Run]:
    source: queue.Queue[Any] = queue.Queue()
    results: queue.Queue[Run] = queue.Queue()
    for each in (*work, None):
        source.put(each)
    worker(source, results, Slot(1, (0,)), Plan(points, until))
    return [results.get_nowait() for _ in range(results.qsize())]


def test_methods_share_points_and_a_table_replays_them(tmp_path: Path, machines: list[Machine]) -> None:
    work = [Work(BED, method, seed, 32) for seed in range(2) for method in ("cga", "model-random", "random")]
    runs = done(work, tmp_path / "p.db")
    assert [run.method for run in runs] == [each.method for each in work]
    measured = [candidate for machine in machines for candidate in machine.measured]
    assert len(set(measured)) == len(measured) < sum(len(run.costs) for run in runs)
    with Points(tmp_path / "p.db") as points:
        assert recorded.write(tmp_path / "t.npz", BED, points) == len(measured)
        known = {candidate: each.reason for candidate, each in points.all(BED.key)}
    table = recorded.read(tmp_path / "t.npz", BED)
    assert {candidate: each.reason for candidate, each in table.items()} == known
    for run in runs:
        history = search(BED.problem(), run.method, run.seed, run.budget, Recorded(table))
        again = [trial.measurement.seconds or float("inf") for trial in history]
        assert tuple(again) == run.costs
    with pytest.raises(TableError, match="record it again"):
        recorded.read(tmp_path / "t.npz", replace(OTHERS[0]))


def test_a_run_that_was_cut_goes_on(tmp_path: Path, machines: list[Machine]) -> None:
    whole = done([Work(BED, "cga", 0, 48)], tmp_path / "whole.db")
    assert done([Work(BED, "cga", 0, 32)], tmp_path / "p.db")[0].costs == whole[0].costs[:32]
    before = sum(len(machine.measured) for machine in machines)
    assert done([Work(BED, "cga", 0, 48)], tmp_path / "p.db") == whole
    assert sum(len(machine.measured) for machine in machines) == before + 16


def test_transfer_learns_from_the_recorded_trials_of_other_shapes(
    tmp_path: Path, machines: list[Machine]
) -> None:
    told = [Work(bed, TOLD_METHOD, TOLD_SEED, TOLD_TRIALS) for bed in OTHERS]
    (warm,) = done([*told, Work(BED, WARM, 0, 16, OTHERS)], tmp_path / "p.db")[len(told) :]
    assert (warm.method, len(warm.costs)) == (WARM, 16)
    assert done([Work(BED, WARM, 0, 16, OTHERS)], tmp_path / "empty.db") == []  # told, not raised


def test_the_section_is_written_from_the_runs(tmp_path: Path) -> None:
    assert "no AVX" in "\n".join(dlboost.section(tmp_path, otherwise="no AVX"))
    runs = Runs(tmp_path / "dlboost.jsonl")
    for method, costs in (("cga", (2e-6, 1e-6)), ("random", (4e-6, 2e-6)), (WARM, (1e-6,))):
        runs.add(Run("gemm 1024³", method, 0, 2, costs))
    text = "\n".join(dlboost.section(tmp_path))
    assert text.startswith(f"{dlboost.TITLE}\n")
    assert "needs 1/2.0: **missed**" in text  # random: 4 for never, cga: 2
    assert f"`{WARM}` needs 2.0× fewer trials than `cga`" in text


def test_cold_runs_have_no_more_trials_than_warm_ones() -> None:
    warm = Run("a", WARM, 0, 2, (9.0, 9.0))
    cold = Run("a", "cga", 0, 100, (9.0,) * 50 + (1.0,) * 50)
    text = "\n".join(report.transferred([warm, cold], {"a": 1.0}))
    assert "| cga | cga after other layers |" in text
    assert "| a | 4.0 (1/1 never) | 4.0 (1/1 never) |" in text
    assert f"`{WARM}` needs 1.0× fewer trials than `cga`" in text


def test_no_search_needs_less_than_one_trial() -> None:
    warm, cold = Run("a", WARM, 0, 2, (1.0, 1.0)), Run("a", "cga", 0, 2, (9.0, 1.0))
    text = "\n".join(report.transferred([warm, cold], {"a": 1.0}))
    assert "needs 2.0× fewer trials than `cga`" in text
    assert "bar 5×: **missed** (no more than 2.0× is possible: one trial)." in text


def test_spawned_processes_can_be_told_the_work() -> None:
    work = Work(BED, "cga", 0, 4, OTHERS)
    assert work.bed.task  # made already, and cached
    assert pickle.loads(pickle.dumps(work)) == work
