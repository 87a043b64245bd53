from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from measure_fakes import OPERANDS, FakeBackend, reference

from heron_cli.backends.base import Kernel
from heron_cli.measure.companion import USUAL
from heron_cli.measure.isolated import IsolatedWorker
from heron_cli.measure.lane import wait
from heron_cli.measure.limits import Limits
from heron_cli.measure.timing import TimingOptions
from heron_cli.measure.verify import References
from heron_cli.measure.worker import Job, Outcome
from heron_cli.trial import Status

LIMITS = Limits(call_seconds=0.7, load_seconds=5.0, timing_seconds=5.0, memory_bytes=160 << 20)
TIMING = TimingOptions(
    warmup_seconds=0.001,
    slice_seconds=0.001,
    floor_seconds=0.002,
    close_floor_seconds=0.003,
    most_seconds=0.01,
    rounds=3,
)


class Bench:
    def __init__(self, library: str, folder: Path, limits: Limits = LIMITS) -> None:
        self.worker = IsolatedWorker(FakeBackend(library), timing=TIMING, limits=limits)
        self.references = References(reference, folder)

    def run(self, *names: str, incumbent: float | None = None) -> list[Outcome]:
        kernels = tuple(Kernel(name.partition(":")[0], OPERANDS, b"", name) for name in names)
        self.worker.submit(Job(kernels, self.references.get(OPERANDS), incumbent, len(names) > 1))
        while (found := self.worker.poll()) is None:
            wait([self.worker.lane], [self.worker.nursery])
        return found


@pytest.fixture(scope="module")
def bench(library: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(library, tmp_path_factory.mktemp("references"))
    yield bench
    bench.worker.close()


RUN, WRONG = Status.RUN_ERROR, Status.WRONG_RESULT
FAULTS = [
    ("refuses", RUN, "the kernel returned -3 in the first call"),
    ("segfaults", RUN, "segmentation fault (SIGSEGV) in the first call"),
    ("aborts", RUN, "aborted (SIGABRT) in the first call; it printed: free(): invalid pointer"),
    ("exits", RUN, "exit with code 0 in the first call"),
    ("divides_by_zero", RUN, "floating point exception (SIGFPE) in the first call"),
    ("pauses", Status.TIMEOUT, "no end of the first call after 0.7 s"),
    ("spins", Status.TIMEOUT, "no end of the first call after 0.7 s"),
    ("prints_forever", Status.TIMEOUT, "no end of the first call after 0.7 s"),
    ("ignores_signals", Status.TIMEOUT, "no end of the first call after 0.7 s"),
    ("wrong", WRONG, "2 of 12 elements are wrong, the first at [2, 1]: "),
    ("writes_nothing", WRONG, "12 of 12 elements are wrong, the first at [0, 0]: -1515870811 instead of "),
    ("misses_tail", WRONG, "1 of 12 elements are wrong, the first at [3, 2]: -1515870811 instead of "),
    ("accumulates", WRONG, " after repeated calls"),
    ("overruns", WRONG, "wrote up to 4 bytes past the end of its output"),
    ("underruns", WRONG, "wrote up to 8 bytes before its output"),
    ("overruns_far", RUN, "segmentation fault (SIGSEGV) in the first call"),
    ("reads_past_input", RUN, "segmentation fault (SIGSEGV) in the first call"),
    ("writes_input", RUN, "segmentation fault (SIGSEGV) in the first call"),
    ("forks", RUN, "started another process in the first call"),
    ("forks_and_returns", RUN, "started another process in the first call"),
    ("daemonises", RUN, "started another process in the first call"),
    ("leaves_and_crashes", RUN, "aborted (SIGABRT) in the first call"),
    ("leaves_file", RUN, "aborted (SIGABRT) in the first call"),
    ("leaks", RUN, "the kernel returned -12 in the first call"),
    ("closes_everything", RUN, "closed its connection in the first call"),
    ("scribbles_on_descriptors", RUN, "closed its connection in the first call"),
    ("kills_parent", RUN, "lost with its parent process in the first call"),
    ("load-fails", RUN, "OSError: undefined symbol: nothing in loading"),
    ("load-segfaults", RUN, "segmentation fault (SIGSEGV) in loading"),
    ("no_such_symbol", RUN, "undefined symbol: no_such_symbol in loading"),
]


@pytest.mark.parametrize(("name", "status", "reason"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_bad_kernel_costs_itself_and_one_line(bench: Bench, name: str, status: Status, reason: str) -> None:
    (found,) = bench.run(name)
    assert (found.status, found.timing, found.verified) == (status, None, False)
    assert reason in found.reason
    assert found.reason.isprintable()
    (after,) = bench.run("good")
    assert (after.status, after.verified) == (Status.OK, True)
    assert after.timing is not None
    assert 0 < after.timing.seconds < 1e-3


def test_no_process_and_no_file_is_left_of_those_that_try(library: str, nothing_left: Path) -> None:
    bench = Bench(library, nothing_left)
    for name in (
        "good",
        "leaves_file",
        "forks",
        "daemonises",
        "leaves_and_crashes",
        "pauses",
        "kills_parent",
    ):
        bench.run(name)
    bench.worker.close()
    for path in nothing_left.glob("*.npy"):  # the references of this test
        path.unlink()


def test_megabytes_of_output_do_no_harm(bench: Bench) -> None:
    (found,) = bench.run("prints")
    assert found.status is Status.OK


def test_the_process_lives_on_between_good_kernels(bench: Bench) -> None:
    bench.run("good")
    number = bench.worker.lane.life_number
    bench.run("good_twin")
    assert bench.worker.lane.life_number == number


def test_the_process_is_replaced_after_a_fault_and_after_many_kernels(library: str, tmp_path: Path) -> None:
    bench = Bench(library, tmp_path, Limits(kernels_per_worker=2))
    lives = []
    for name in ("good", "good", "good", "wrong", "good"):
        bench.run(name)
        lives.append(bench.worker.lane.life_number)
    bench.worker.close()
    assert lives[0] == lives[1] != lives[2]
    assert lives[2] == lives[3] != lives[4]


def test_a_kernel_is_not_blamed_for_what_an_earlier_one_broke(library: str, tmp_path: Path) -> None:
    bench = Bench(library, tmp_path)
    assert bench.run("breaks_later")[0].status is Status.OK
    assert bench.run("needs_clean_process")[0].status is Status.OK
    bench.worker.close()


def test_a_kernel_clearly_behind_is_verified_but_not_timed_for_long(bench: Bench) -> None:
    (found,) = bench.run("slow", incumbent=1e-6)
    assert (found.status, found.verified) == (Status.OK, True)
    assert found.timing is not None
    assert found.timing.slices < TIMING.least_slices
    if found.timing.corrected:  # something else went on meanwhile
        assert ("is made up for" in found.reason) == (found.timing.pace > USUAL)
    else:
        assert found.timing.gave_up
        assert found.reason == "timing cut short: over 1.5 times the best"


def test_side_by_side_each_kernel_has_its_own_fate(bench: Bench) -> None:
    found = bench.run("good", "wrong", "segfaults", "slow", "aborts", "good_twin")
    assert [outcome.status for outcome in found] == [Status.OK, WRONG, RUN, Status.OK, RUN, Status.OK]
    assert "SIGSEGV" in found[2].reason
    assert "SIGABRT" in found[4].reason
    times = [outcome.timing for outcome in found if outcome.timing is not None]
    assert len(times) == 3
    assert all(timing.slices >= TIMING.rounds or timing.disturbed for timing in times)
    assert times[1].seconds > 100 * times[0].seconds


def test_side_by_side_a_kernel_that_goes_wrong_later_is_found(bench: Bench) -> None:
    found = bench.run("good", "accumulates")
    assert [outcome.status for outcome in found] == [Status.OK, WRONG]
    assert found[1].reason.endswith("after repeated calls")


def test_a_device_that_goes_away_is_told_from_a_bad_kernel(
    bench: Bench, library: str, tmp_path: Path
) -> None:
    gone = Bench(library, tmp_path)
    assert gone.run("good")[0].status is Status.OK
    gone.worker.lane.retire()
    gone.worker.lane.entry = "heron_cli.measure.nowhere:serve"
    (found,) = gone.run("good")
    assert found.status is Status.DEVICE_LOST
    assert found.reason.startswith("the measuring process does not start: ModuleNotFoundError")
    gone.worker.close()
