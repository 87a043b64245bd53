from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from measure_fakes import FakeBackend, Task, candidate

from conftest import eventually, processes_naming
from heron_cli.errors import HeronError
from heron_cli.measure.builder import BuildPool, Built
from heron_cli.measure.lane import wait
from heron_cli.measure.limits import Limits
from heron_cli.trial import Status

LIMITS = Limits(build_seconds=1.5, memory_bytes=160 << 20)


@pytest.fixture(scope="module")
def pool(library: str) -> Iterator[BuildPool]:
    pool = BuildPool(FakeBackend(library), Task(), jobs=2, limits=LIMITS, preload=())
    yield pool
    pool.close()


@pytest.mark.parametrize(
    ("variant", "status", "reason"),
    [
        ("build-error", Status.BUILD_ERROR, "tile of 7 does not divide 16"),
        ("build-bug", Status.BUILD_ERROR, "internal error of the code generator: KeyError: 'no such loop'"),
        ("build-segfaults", Status.BUILD_ERROR, "segmentation fault (SIGSEGV) in the build"),
        (
            "build-aborts",
            Status.BUILD_ERROR,
            "aborted (SIGABRT) in the build; it printed: LLVM ERROR: Cannot select: t42",
        ),
        ("build-exits", Status.BUILD_ERROR, "exit with code 3 in the build"),
        ("build-hangs", Status.TIMEOUT, "no end of the build after 1.5 s"),
        ("build-leaks", Status.BUILD_ERROR, "out of memory (limit 160 MiB)"),
        ("build-killed", Status.BUILD_ERROR, "killed from outside (out of memory?) in the build"),
    ],
)
def test_a_bad_build_costs_itself_and_one_line(
    pool: BuildPool, variant: str, status: Status, reason: str
) -> None:
    found = {
        built.index: built
        for built in pool.build([candidate("good"), candidate(variant), candidate("good", a=1)])
    }
    assert (found[1].status, found[1].reason, found[1].kernel) == (status, reason, None)
    assert [found[index].status for index in (0, 2)] == [Status.OK, Status.OK]
    measurement = found[0].measurement()
    assert measurement.metrics == {"instructions": 12.0}
    assert (measurement.program, measurement.seconds) == ("good-()", None)


def test_megabytes_of_output_do_no_harm(pool: BuildPool) -> None:
    (built,) = pool.build([candidate("build-prints")])
    assert built.status is Status.OK


def test_every_candidate_comes_back_once(pool: BuildPool) -> None:
    found = sorted(built.index for built in pool.build([candidate("good", n=n) for n in range(40)]))
    assert found == list(range(40))


def test_leaving_the_iteration_early_leaves_the_pool_usable(pool: BuildPool) -> None:
    for built in pool.build([candidate("good"), *[candidate("build-hangs")] * 3]):
        assert built.status is Status.OK
        break
    assert not pool.busy
    (built,) = pool.build([candidate("good")])
    assert built.status is Status.OK


def test_a_builder_killed_by_someone_else_costs_nothing(
    library: str, tmp_path: Path, nothing_left: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    backend = FakeBackend(library, marks=str(marks), build_seconds=0.5)
    pool = BuildPool(backend, Task(), jobs=1, limits=Limits(), preload=())
    assert run_until_mark(pool, marks, 1) == []
    builders = [pid for pid in processes_naming(str(nothing_left)) if pid != pool.nursery.pid]
    assert len(builders) == 1
    os.kill(builders[0], signal.SIGKILL)
    found: list[Built] = []
    while not found:
        wait(pool.lanes, [pool.nursery])
        found = pool.poll()
    assert found[0].status is Status.OK
    assert len(list(marks.iterdir())) == 2
    pool.close()


def test_a_builder_that_is_stopped_before_it_begins_costs_nothing(library: str, nothing_left: Path) -> None:
    pool = BuildPool(FakeBackend(library), Task(), jobs=1, limits=Limits(pick_up_seconds=0.3), preload=())
    list(pool.build([candidate("good")]))
    (builder,) = [pid for pid in processes_naming(str(nothing_left)) if pid != pool.nursery.pid]
    os.kill(builder, signal.SIGSTOP)
    (built,) = pool.build([candidate("good")])
    assert built.status is Status.OK
    pool.close()


def run_until_mark(pool: BuildPool, marks: Path, count: int) -> list[Built]:
    """Submit one candidate and return once its build runs."""
    found: list[Built] = []
    while not pool.submit(0, candidate("good")):
        wait(pool.lanes, [pool.nursery])
        found += pool.poll()
    assert eventually(lambda: len(list(marks.iterdir())) == count)
    return found


def test_the_deadline_starts_with_the_build_not_with_the_queue(library: str) -> None:
    """Five builds in one process take longer together than the deadline of one."""
    pool = BuildPool(FakeBackend(library, build_seconds=0.4), Task(), jobs=1, limits=LIMITS, preload=())
    found = list(pool.build([candidate("good", n=n) for n in range(5)]))
    assert [built.status for built in found] == [Status.OK] * 5
    assert sum(built.seconds for built in found) > LIMITS.build_seconds
    pool.close()


class Unloadable:
    """Pickles, but cannot be unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (__import__, ("no_such_module_at_all",))


def test_a_task_that_does_not_reach_the_builders_is_an_error_of_the_run(library: str) -> None:
    pool = BuildPool(FakeBackend(library), Unloadable(), jobs=1, limits=LIMITS, preload=())
    with pytest.raises(HeronError, match=r"a builder process cannot work: .*no_such_module_at_all"):
        list(pool.build([candidate("good")]))
    pool.close()


def test_builders_that_never_come_up_are_an_error_of_the_run(library: str) -> None:
    limits = Limits(start_seconds=0.05, starts=2)
    pool = BuildPool(FakeBackend(library), Task(), jobs=1, limits=limits, preload=("measure_fakes_slow",))
    with pytest.raises(HeronError, match=r"a builder process does not start: not ready after 0.05 s"):
        list(pool.build([candidate("good")]))
    pool.close()
