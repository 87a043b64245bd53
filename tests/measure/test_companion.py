from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from measure_fakes import OPERANDS, FakeBackend, reference
from test_timing import Kernel

from heron_cli.backends.base import Kernel as Built
from heron_cli.measure import worker
from heron_cli.measure.companion import MOST, USUAL, Companion
from heron_cli.measure.limits import Limits
from heron_cli.measure.stopwatch import Stopwatch
from heron_cli.measure.timing import Timing, TimingOptions, summarise
from heron_cli.measure.verify import References
from heron_cli.measure.worker import Bench, Job, WorkerSetup
from heron_cli.trial import Status

OPTIONS = TimingOptions()
QUICK = TimingOptions(
    warmup_seconds=1e-4, slice_seconds=1e-4, floor_seconds=1e-4, close_floor_seconds=1e-4, most_seconds=0.002
)


class Weather:
    """What slows every kernel down alike: slices of ever another pace, some of them in a row."""

    def __init__(self, paces: list[float], stay: int) -> None:
        self._paces = itertools.chain.from_iterable(itertools.repeat(p, stay) for p in itertools.cycle(paces))

    def kernel(self, seconds: float) -> Kernel:
        return Kernel(seconds, self._paces)


def quiet(seconds: float) -> Timing:
    return Timing(seconds, 0.0, 7, 1)


@given(
    st.lists(st.floats(1.0, 3.0), min_size=1, max_size=9), st.integers(60, 400), st.floats(1e-6, 2e-3),
    st.floats(0.5, 1.5),
)  # fmt: skip
def test_what_slows_both_is_made_up_for(paces: list[float], stay: int, seconds: float, ratio: float) -> None:
    weather = Weather(paces, stay)
    companion = Companion(weather.kernel(seconds), quiet(seconds), disturbed=False)
    timing = companion.beside(weather.kernel(seconds * ratio), seconds * ratio, OPTIONS)
    # the pace changes at most once within so few slices, so that medians may fall on either side of it
    change = max(paces) / min(paces) if len(paces) > 1 else 1.0
    left = max(1.0, timing.pace / MOST)
    assert seconds * ratio / change <= timing.seconds * 1.1
    assert timing.seconds <= seconds * ratio * left * change * 1.1  # a pace below that may be a good moment
    assert timing.corrected and timing.pace >= 1 / 1.1
    if len(set(paces)) == 1 and paces[0] > 1.1:  # less may be a good moment
        assert timing.seconds == pytest.approx(seconds * ratio * left)
        assert timing.pace == pytest.approx(paces[0])


def test_a_companion_first_met_in_a_bad_moment_is_timed_again_in_a_good_one() -> None:
    companion = Companion(Kernel(1e-3), quiet(2e-3), disturbed=True)
    companion.settle(OPTIONS)
    assert companion.best == pytest.approx(1e-3)
    kernel = Kernel(5e-4)
    settled = Companion(kernel, quiet(1e-3), disturbed=False)
    settled.settle(OPTIONS)
    assert (settled.best, kernel.slices) == (1e-3, [])


def test_its_best_is_the_median_of_good_moments() -> None:
    companion = Companion(Kernel(1e-3), quiet(2e-3), disturbed=False)
    assert companion.beside(Kernel(3e-3), 3e-3, OPTIONS).seconds == pytest.approx(3e-3)
    assert companion.best == pytest.approx(1e-3)
    companion = Companion(Weather([1.03, 1.06, 1.5, 1.09], 200).kernel(1e-3), quiet(1e-3), disturbed=False)
    for _ in range(16):
        companion.settle(OPTIONS)  # does nothing: it was met in a good moment
        companion.beside(Kernel(1e-3), 1e-3, OPTIONS)
    assert 1.02e-3 < companion.best < 1.07e-3, "neither the least nor what was disturbed"


def test_no_more_is_made_up_for_than_kernels_suffer_alike() -> None:
    companion = Companion(Kernel(2.5e-3), quiet(1e-3), disturbed=False)
    timing = companion.beside(Kernel(5e-3), 5e-3, OPTIONS)
    assert timing.pace == pytest.approx(2.5)
    assert timing.seconds == pytest.approx(5e-3 / MOST)
    told = Stopwatch(OPTIONS).remark(timing)
    assert "took 2.50 times" in told and f"of which {MOST:g} is made up for" in told


@pytest.mark.parametrize(("pace", "told"), [(0.9, False), (1.09, False), (1.2, True)])
def test_what_hardly_slowed_another_kernel_disturbed_nothing(pace: float, told: bool) -> None:
    timing = replace(quiet(1e-3), pace=pace, corrected=True)
    assert bool(Stopwatch(OPTIONS).remark(timing)) == told
    uncorrected = replace(quiet(1e-3), pace=1.2)  # by the fixed piece of work alone
    assert "a fixed piece of work" in Stopwatch(OPTIONS).remark(uncorrected)


@pytest.mark.parametrize(
    ("paces", "expected"), [([2.5, 2.5, 1.3], 1.3), ([1.3, 2.5], 1.3), ([2.5, 2.2, 2.4], 2.2)]
)
def test_a_better_moment_is_waited_for(paces: list[float], expected: float) -> None:
    watch, each = Stopwatch(OPTIONS), iter(paces)
    watch.yardstick.take = lambda: 2.0  # type: ignore[method-assign]
    watch.companion = Companion(Kernel(1e-3), quiet(1e-3), disturbed=False)
    made = Timing(1e-3, 0.0, 9, 1, corrected=True)
    watch.companion.beside = lambda *_: replace(made, pace=next(each))  # type: ignore[method-assign]
    phases: list[str] = []
    assert watch.time(Kernel(1e-3), None, phases.append).pace == expected
    tries = 1 if paces[0] == expected else 3
    assert phases == ["the timing", *["the timing beside another kernel"] * tries], "a deadline for each"
    assert len(list(each)) == (1 if paces[0] == expected else 0)


@pytest.mark.parametrize(("seconds", "most"), [(0.25, 8), (1.0, 8), (1e-4, 160)])
def test_long_kernels_take_few_turns(seconds: float, most: int) -> None:
    kernel = Kernel(seconds)
    Companion(Kernel(seconds), quiet(seconds), disturbed=False).beside(kernel, seconds, OPTIONS)
    assert len(kernel.slices) <= most


@pytest.fixture
def bench(library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bench in this process on a machine that is disturbed from the third look on."""
    monkeypatch.setattr(worker, "_left_process", lambda: False)

    class Desk:
        phases: list[str] = []  # noqa: RUF012  of one bench

        def phase(self, label: str, seconds: float, detail: int = 0) -> None:
            self.phases.append(label)

    bench = Bench(WorkerSetup(FakeBackend(library), 1, QUICK, Limits()), Desk())  # type: ignore[arg-type]
    looks = itertools.chain([1.0, 1.0], itertools.repeat(2.0))
    bench._stopwatch.yardstick.take = lambda: next(looks)  # type: ignore[method-assign]
    files = References(reference, tmp_path).get(OPERANDS)

    def run(name: str, incumbent: float | None = None) -> Any:
        kernel = Built(name.partition(":")[0], OPERANDS, b"", name)
        (found,) = bench.run(Job((kernel,), files, incumbent))
        return found, bench

    return run


def test_where_something_disturbs_kernels_are_timed_beside_the_first(bench: Any) -> None:
    first, made = bench("good")
    assert first.timing is not None and not first.timing.corrected
    second, _ = bench("good:again")
    assert second.status is Status.OK and second.timing.corrected
    assert ("beside" in second.reason) == (second.timing.pace > USUAL)
    assert made._desk.phases.count("the timing beside another kernel") == 1


def test_a_kernel_that_goes_wrong_later_is_found_though_the_first_wrote_last(bench: Any) -> None:
    bench("good")
    found, _ = bench("accumulates")
    assert found.status is Status.WRONG_RESULT and found.reason.endswith("after repeated calls")
    again, _ = bench("good:again")
    assert again.status is Status.OK


def test_neither_is_it_missed_where_the_first_was_timed_again_in_a_good_moment(bench: Any) -> None:
    _, made = bench("good")
    made._stopwatch.companion._disturbed = True
    made._stopwatch.yardstick.take = lambda: 1.0
    found, _ = bench("accumulates")
    assert found.status is Status.WRONG_RESULT and made._stopwatch.companion._disturbed
    assert bench("good:again")[0].status is Status.OK and not made._stopwatch.companion._disturbed


def test_a_kernel_that_seems_slow_in_a_bad_moment_is_timed_beside_another(bench: Any) -> None:
    bench("good")
    found, _ = bench("good:slow", incumbent=1e-12)
    assert found.timing.corrected and not found.timing.gave_up


@pytest.mark.parametrize(("slowed", "rounds"), [(1.6, 40), (4.0, 0)])
def test_only_what_is_slow_beside_another_is_dropped_early(slowed: float, rounds: int) -> None:
    """At over twice the best it is not timed at length; near it, it deserves as many slices as any."""
    watch = Stopwatch(OPTIONS)
    looks = itertools.chain([1.0], itertools.repeat(2.0))
    watch.yardstick.take = lambda: next(looks)  # type: ignore[method-assign]
    watch.companion = Companion(Kernel(1.5e-3), quiet(1e-3), disturbed=False)
    kernel = Kernel(slowed * 1e-3)
    timing = watch.time(kernel, 1e-3, lambda label: None)
    assert timing.seconds == pytest.approx(slowed / 1.5 * 1e-3)
    assert len(kernel.slices) >= rounds if rounds else len(kernel.slices) < 20


def test_a_moment_that_was_not_good_is_found_out() -> None:
    """The yardstick missed what slowed the companion to twice its time; slices that agree tell."""
    paces = itertools.chain([2.0] * 20, itertools.repeat(1.0))
    companion = Companion(Kernel(1e-3, paces), quiet(2e-3), disturbed=False)
    timing = companion.beside(Kernel(3e-3, itertools.repeat(2.0)), 6e-3, OPTIONS)
    assert companion.best == pytest.approx(1e-3)
    assert timing.pace == pytest.approx(2.0, rel=0.6)
    companion.settle(OPTIONS)
    assert companion.beside(Kernel(3e-3), 3e-3, OPTIONS).seconds == pytest.approx(3e-3)


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=40))
def test_what_slices_agree_on_is_none_of_the_two_shortest(samples: list[float]) -> None:
    assert summarise(samples, 1).least == sorted(samples)[min(2, len(samples) - 1)]


def test_one_slice_that_is_too_short_changes_nothing() -> None:
    """The clock of a virtual machine jumps now and then."""
    jump = itertools.chain([1.0, 1.0, 1.0, 0.2], itertools.repeat(1.0))
    companion = Companion(Kernel(1e-3, jump), quiet(1e-3), disturbed=False)
    assert companion.beside(Kernel(2e-3), 2e-3, OPTIONS).seconds == pytest.approx(2e-3)
    assert companion.best == pytest.approx(1e-3)


def test_the_fastest_of_a_good_moment_becomes_the_companion() -> None:
    watch = Stopwatch(OPTIONS)
    bad = replace(quiet(1e-3), pace=2.0)
    assert watch.keep(Kernel(3e-3), replace(quiet(3e-3), pace=2.0))  # better than none
    assert not watch.keep(Kernel(1e-3), bad)
    assert not watch.keep(Kernel(1e-3), replace(quiet(1e-3), corrected=True))
    assert watch.keep(Kernel(2e-3), quiet(2e-3))
    assert not watch.keep(Kernel(2.5e-3), quiet(2.5e-3))
    assert watch.companion is not None and watch.companion.best == 2e-3


def test_a_new_companion_closes_the_one_before(bench: Any) -> None:
    _, made = bench("good")
    before = made._kept
    made._stopwatch.yardstick.take = lambda: 1.0
    made._stopwatch.companion.best = 1e9  # whatever comes is faster
    bench("good:again")
    assert made._kept is not before and before.loaded.closed
