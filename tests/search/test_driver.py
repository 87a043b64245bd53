from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heron_cli.errors import InputError, NoValidTrialError, SpaceEmptyError
from heron_cli.records import Purpose, Query, Record, Store
from heron_cli.search import events
from heron_cli.search.bound import Bound
from heron_cli.search.driver import tune
from heron_cli.search.problem import VariantSpace
from heron_cli.search.protocol import Method, method_names, register
from heron_cli.search.result import Budget, Stopped, TuneResult
from heron_cli.trial import Candidate, Measurement, Status, Trial

from .toy import FakeRunner, problem, small_variant, variant

VARIANTS = (variant(),)
VERSIONS = {"heron": "1", "tvm": "2", "cpu": "toy"}


class Killed(BaseException):
    """What a test raises where a process would die."""


class FragileRunner(FakeRunner):
    """Dies after `lives` measurements; the final ranking counts as one."""

    lives = 10**9

    def measure(self, candidate: Candidate, salt: str = "trial") -> Measurement:
        if salt == "trial":
            self.spend()
        return super().measure(candidate, salt)

    def remeasure(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        self.spend()
        return super().remeasure(candidates)

    def spend(self) -> None:
        self.lives -= 1
        if self.lives < 0:
            raise Killed


def search(
    store: Store | None = None,
    runner: Any = None,
    trials: int | None = 40,
    method: str = "random",
    seed: int = 0,
    batch: int = 8,
    variants: Sequence[VariantSpace] = VARIANTS,
    seconds: float | None = None,
    versions: dict[str, str] = VERSIONS,
    **options: Any,
) -> TuneResult:
    return tune(
        problem(*variants),
        method,
        runner or FakeRunner(variants),
        Store.in_memory() if store is None else store,
        Budget(trials, seconds),
        seed,
        batch=batch,
        versions=versions,
        **options,
    )


def facts(records: Sequence[Record]) -> list[tuple[Any, ...]]:
    """The records without their moments, in the order of the trajectory."""
    return sorted((str(r.purpose), r.round, r.position, str(r.trial)) for r in records)


def test_the_budget_of_trials_is_kept_and_every_trial_is_stored() -> None:
    store, runner = Store.in_memory(), FakeRunner(VARIANTS)
    result = search(store, runner, trials=21)
    assert (result.trials, result.valid, result.stopped) == (21, 21, Stopped.TRIALS)
    assert [(r.round, r.position) for r in result.records] == [(n // 8, n % 8) for n in range(21)]
    assert len(runner.asked) == 21
    stored = store.all(Query(purpose=Purpose.TRIAL))
    assert facts(stored) == facts(result.records)
    assert (stored[0].seed, stored[0].method, stored[0].versions) == (0, "random", VERSIONS)
    assert result.seconds_spent["build"] >= 21 * 0.5
    assert result.seconds_spent["measure"] >= 21 * 0.25


@pytest.mark.parametrize("method", ["random", "cga"])
def test_running_again_measures_nothing_and_says_the_same(method: str) -> None:
    store = Store.in_memory()
    first = search(store, method=method)
    runner = FakeRunner(VARIANTS)
    again = search(store, runner, method=method)
    assert (runner.asked, runner.reasked) == ([], [])
    assert again.resumed == again.trials == 40
    assert again.best == first.best


@pytest.mark.parametrize(
    ("method", "points"),
    [("random", range(42)), ("cga", (0, 11, 26, 40))]
    + [(name, (19,)) for name in method_names() if name not in ("random", "cga", "parrot")],
)
def test_killed_anywhere_and_resumed_equals_undisturbed(method: str, points: Sequence[int]) -> None:
    undisturbed = Store.in_memory()
    whole = FragileRunner(VARIANTS, failing=0.2, grain=1.5)
    expected = search(undisturbed, whole, method=method).best
    assert whole.reasked or max(points) < 40, "the final ranking is part of the test"
    for lives in points:
        store, first, second = (
            Store.in_memory(),
            FragileRunner(VARIANTS, failing=0.2, grain=1.5),
            FakeRunner(VARIANTS, failing=0.2, grain=1.5),
        )
        first.lives = lives
        if lives > 40:
            search(store, first, method=method)
        else:
            with pytest.raises(Killed):
                search(store, first, method=method)
        result = search(store, second, method=method)
        assert facts(store.all()) == facts(undisturbed.all()), f"killed after {lives} measurements"
        assert result.best is not None and expected is not None
        assert result.best.trial == expected.trial
        measured = [*first.asked[:lives], *second.asked]
        assert len(measured) == len(set(measured)) == 40


@pytest.mark.parametrize("method", ["random", "cga"])
def test_a_larger_budget_later_equals_the_larger_budget_at_once(method: str) -> None:
    store = Store.in_memory()
    for trials in (5, 13, 30):
        search(store, trials=trials, method=method)
    assert facts(search(store, trials=40, method=method).records) == facts(
        search(trials=40, method=method).records
    )


def test_a_smaller_budget_later_stops_at_once() -> None:
    store, runner = Store.in_memory(), FakeRunner(VARIANTS)
    search(store)
    assert search(store, runner, trials=10).trials == 40
    assert runner.asked == []


def test_another_batch_size_never_measures_again() -> None:
    store, runner = Store.in_memory(), FakeRunner(VARIANTS)
    for batch, trials in ((8, 12), (16, 40), (4, 60)):
        assert search(store, runner, batch=batch, trials=trials).trials == trials
    assert len(set(runner.asked)) == len(runner.asked) == 60


def test_trials_of_other_seeds_inform_and_are_not_repeated() -> None:
    store, runner = Store.in_memory(), FakeRunner(VARIANTS)
    seen: list[events.Event] = []
    search(store, runner, seed=0)
    result = search(store, runner, seed=1, on_event=seen.append)
    assert (result.trials, result.resumed) == (40, 0)
    assert len(set(runner.asked)) == 80
    assert isinstance(seen[0], events.Resumed) and (seen[0].own, seen[0].others) == (0, 40)


def test_what_another_run_measured_first_still_counts_as_this_run_s_own() -> None:
    store = Store.in_memory()
    for record in search().records:
        store.add(replace(record, seed=5, created="2000-01-01T00:00:00.000000+00:00"))
        store.add(record)
    result = search(store)
    assert (result.resumed, result.trials) == (40, 40)


def test_records_of_other_toolchains_are_neither_used_nor_deleted() -> None:
    store, runner = Store.in_memory(), FakeRunner(VARIANTS)
    search(store, runner, versions=VERSIONS | {"tvm": "old"})
    before = len(store.all())
    result = search(store, runner)
    assert result.resumed == 0 and len(runner.asked) == 80
    assert len(store.all()) == 2 * before
    assert result.best is not None and result.best.versions == VERSIONS


def test_records_that_do_not_fit_the_space_are_left_out() -> None:
    store = Store.in_memory()
    for record in search().records:
        knobs = record.trial.candidate.values | {"gone": 1}
        trial = Trial(Candidate.of("plain", knobs), record.trial.measurement)
        store.add(replace(record, trial=trial))
    seen: list[events.Event] = []
    assert search(store, on_event=seen.append).resumed == 0
    assert seen[0] == events.Resumed(0, 0, 40, None)


def test_records_that_break_the_present_rules_are_left_out() -> None:
    store = Store.in_memory()
    search(store)
    tighter = variant(capacity=1 << 11)
    tighter = replace(tighter, valid=tighter.sampler.valid)  # type: ignore[attr-defined]
    seen: list[events.Event] = []
    result = search(store, variants=[tighter], on_event=seen.append)
    assert isinstance(seen[0], events.Resumed) and seen[0].unfit > 10
    assert result.resumed == seen[0].own and result.trials == 40
    assert result.best is not None and tighter.fits(result.best.trial.candidate)


def test_the_budget_of_seconds_stops_the_runner() -> None:
    runner, moment = FakeRunner(VARIANTS), 0.0

    def count(event: events.Event) -> None:
        nonlocal moment
        moment += isinstance(event, events.TrialDone)

    result = search(runner=runner, trials=None, seconds=19.5, clock=lambda: moment, on_event=count)
    assert (result.stopped, result.trials) == (Stopped.TIME, 20)
    assert runner.closed_early == 1
    assert search(trials=None, seconds=16, clock=lambda: moment, on_event=count).trials == 16


def test_no_time_at_all() -> None:
    with pytest.raises(NoValidTrialError, match="before the first trial"):
        search(trials=None, seconds=0.0)
    with pytest.raises(ValueError, match="budget"):
        Budget()


@pytest.mark.parametrize("method", ["random", "cga"])
def test_a_small_space_is_tried_to_the_last_point_and_no_further(method: str) -> None:
    small = (small_variant(),)
    runner = FakeRunner(small)
    result = search(runner=runner, variants=small, trials=1000, method=method, batch=32)
    everything = small[0].sampler.everything()  # type: ignore[attr-defined]
    assert result.stopped is Stopped.EXHAUSTED
    assert set(runner.asked) == {small[0].candidate(row) for row in everything}
    assert len(runner.asked) == len(everything)


def test_events_tell_the_run() -> None:
    seen: list[events.Event] = []
    result = search(runner=FakeRunner(VARIANTS, failing=0.3), on_event=seen.append)
    kinds = [type(event).__name__ for event in seen]
    assert kinds.count("RoundStarted") == kinds.count("RoundDone") == 5
    assert [e.number for e in seen if isinstance(e, events.TrialDone)] == list(range(1, 41))
    costs = [e.record.cost for e in seen if isinstance(e, events.NewBest)]
    assert costs == sorted(costs, reverse=True) and len(costs) > 1
    done = [e for e in seen if isinstance(e, events.RoundDone)][-1]
    assert (done.trials, done.valid) == (40, result.valid)
    assert done.best is not None and done.best.cost == costs[-1]
    assert seen[-1] == events.Finished(result)
    assert result.invalid == sum(r.trial.measurement.status is Status.BUILD_ERROR for r in result.records) > 0


def test_every_trial_failed() -> None:
    seen: list[events.Event] = []
    with pytest.raises(NoValidTrialError) as failure:
        search(runner=FakeRunner(VARIANTS, failing=1.0), on_event=seen.append)
    message = "gemm toy: none of 40 trials gave a verified kernel: 40 × build-error: no such instruction"
    assert str(failure.value) == message
    assert isinstance(seen[-1], events.Finished) and seen[-1].result.invalid == 40


class BuildOnly(FakeRunner):
    def measure(self, candidate: Candidate, salt: str = "trial") -> Measurement:
        return Measurement(Status.OK, build_seconds=1.0)


def test_what_was_only_built_is_never_best_and_is_measured_later() -> None:
    store = Store.in_memory()
    with pytest.raises(NoValidTrialError, match="40 × built, but not run"):
        search(store, BuildOnly(VARIANTS))
    assert search(store).resumed == 0


class VerifiesLater(FakeRunner):
    def measure(self, candidate: Candidate, salt: str = "trial") -> Measurement:
        self.unverified = salt == "trial"
        return super().measure(candidate, salt)


def test_what_is_not_verified_is_never_best() -> None:
    seen: list[events.Event] = []
    with pytest.raises(NoValidTrialError, match="40 × ran, but its result was not verified"):
        search(runner=FakeRunner(VARIANTS, unverified=True), on_event=seen.append)
    assert not any(isinstance(event, events.NewBest) for event in seen)
    best = search(runner=VerifiesLater(VARIANTS)).best
    assert best is not None and best.purpose is Purpose.RANKING


class Listed(FakeRunner):
    """Trials take the times of a list, in order; side by side every kernel takes a quarter longer."""

    def __init__(self, times: Sequence[float]) -> None:
        super().__init__(VARIANTS)
        self.times, self.given = iter(times), {}

    def measure(self, candidate: Candidate, salt: str = "trial") -> Measurement:
        if salt == "trial":
            self.given[candidate] = next(self.times)
        factor = 1.0 if salt == "trial" else 1.25
        return Measurement(Status.OK, self.given[candidate] * factor, verified=True)


def test_what_is_best_was_measured_beside_the_last_winner() -> None:
    """A later trial may beat the ranking's winner and yet be slower than the lucky trials of those ranked."""
    store, runner = Store.in_memory(), Listed([1.0, 1.02, 1.15])
    search(store, runner, trials=2)
    best = search(store, runner, seed=1, trials=1).best
    assert [len(each) for each in runner.reasked] == [2, 3]
    assert best is not None and (best.purpose, best.cost) == (Purpose.RANKING, 1.25)
    search(store, runner, seed=1, trials=1)
    assert len(runner.reasked) == 2, "nothing is new"
    again = search(store, runner, seed=1, trials=1, rank_again=True)
    assert [len(each) for each in runner.reasked] == [2, 3, 2], "the champion is one of the two closest"
    assert again.trials == 1, "a ranking is no trial"


def test_the_champion_takes_part_even_if_a_whole_field_of_trials_seems_faster() -> None:
    store, runner = Store.in_memory(), Listed([1.0, 1.02, *(0.8 + place / 1000 for place in range(10))])
    champion = search(store, runner, trials=2).best
    search(store, runner, seed=1, trials=10)
    assert champion is not None
    assert len(runner.reasked[1]) == 9 and champion.trial.candidate in runner.reasked[1]


class Losing(FakeRunner):
    """Loses the device after `after` measurements."""

    after = 0

    def measure(self, candidate: Candidate, salt: str = "trial") -> Measurement:
        if len(self.asked) > self.after:
            return Measurement(Status.DEVICE_LOST, reason="gone")
        return super().measure(candidate, salt)


def test_a_lost_device_ends_the_run_and_its_trials_are_made_up_for() -> None:
    store, runner = Store.in_memory(), Losing(VARIANTS)
    runner.after = 12
    result = search(store, runner)
    assert (result.stopped, result.trials, result.valid) == (Stopped.DEVICE_LOST, 24, 12)
    resumed = search(store)
    assert (resumed.resumed, resumed.stopped) == (12, Stopped.TRIALS)
    assert resumed.valid == resumed.trials == 40
    with pytest.raises(NoValidTrialError, match="8 × device-lost: gone"):
        search(runner=Losing(VARIANTS))


def test_a_second_run_on_the_same_workload_is_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path / "heron.db") as store:
        with store.lease("gemm toy", "digest", 1), pytest.raises(InputError, match="is tuning gemm toy"):
            search(store, trials=2)
        assert search(store, trials=2).trials == 2
        with store.lease("gemm toy", "digest", 4):
            search(store, trials=3)


def test_a_full_disk_ends_the_run_and_keeps_its_trials(tmp_path: Path) -> None:
    with Store.open(tmp_path / "heron.db") as store:
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        runner = FakeRunner(VARIANTS)
        with pytest.raises(InputError, match="disk full"):
            search(store, runner)
        assert len(store.all()) == len(runner.asked) - 1 > 0
        assert runner.closed_early == 1
        store._connection.execute("PRAGMA max_page_count = 100000")
        assert search(store).trials == 40


def test_an_empty_space_says_so() -> None:
    class Empty:
        def sample(self, *_: Any) -> Any:
            raise SpaceEmptyError("nothing fits")

        offspring = sample

    empty = VariantSpace("empty", variant().space, Empty())
    with pytest.raises(SpaceEmptyError, match="nothing fits"):
        search(variants=[empty])


@register
class Parrot(Method):
    """Repeats itself."""

    name = "parrot"
    summary = "always the same"

    def propose(self, count: int, history: Sequence[Trial], round_index: int) -> list[Candidate]:
        row = self.problem.variants[0].sampler.sample(1, np.random.default_rng(0))[0]
        return [self.problem.variants[0].candidate(row)]


def test_a_method_that_repeats_itself_is_found_out() -> None:
    with pytest.raises(RuntimeError, match="parrot proposed a candidate twice"):
        search(method="parrot", trials=2)


class Lazy(FakeRunner):
    def run(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, Measurement]]:
        return iter([(0, self.measure(candidates[0]))])


def test_a_runner_that_forgets_candidates_is_found_out() -> None:
    with pytest.raises(RuntimeError, match="answered for 1 of 8 candidates"):
        search(runner=Lazy(VARIANTS))


def test_a_run_stops_once_it_is_close_enough_to_the_bound() -> None:
    from dataclasses import replace as changed

    best = search(trials=40).best
    assert best is not None and best.cost is not None
    bounded = changed(problem(*VARIANTS), bound=Bound(best.cost / 1.5))
    runner = FakeRunner(VARIANTS)

    def run(gap: float | None) -> TuneResult:
        budget = Budget(trials=40, gap=gap)
        return tune(bounded, "random", runner, Store.in_memory(), budget, batch=8, versions=VERSIONS)

    assert run(None).stopped is Stopped.TRIALS
    never, soon = run(0.4), run(9.0)
    assert never.stopped is Stopped.TRIALS
    assert soon.stopped is Stopped.GAP
    assert 0 < soon.trials < 40
    assert soon.over_bound is not None and soon.over_bound <= 10.0


def test_a_bound_is_measured_again_before_it_ends_a_run() -> None:
    """The machine was disturbed at first, so that the bound seemed near; it cannot rise again."""
    from dataclasses import replace as changed

    best = search(trials=40).best
    assert best is not None and best.cost is not None
    bounds = iter([Bound(best.cost / 8, "measured peak"), Bound(best.cost / 4, "measured peak")])
    asked: list[Bound] = []

    def again() -> Bound:
        asked.append(next(bounds, Bound(best.cost / 2)))  # type: ignore[operator]
        return asked[-1]

    bounded = changed(problem(*VARIANTS), bound=Bound(best.cost, "measured peak"), measure_bound=again)
    budget = Budget(trials=40, gap=0.5)
    found = tune(
        bounded, "random", FakeRunner(VARIANTS), Store.in_memory(), budget, batch=8, versions=VERSIONS
    )
    assert (found.stopped, found.trials) == (Stopped.TRIALS, 40)
    assert len(asked) == 2  # when it would have stopped, and in the end
    assert found.bound == Bound(best.cost / 8, "measured peak")
    assert str(found.bound) == "the bound of the measured peak"


def test_a_clock_that_is_set_back_reorders_nothing() -> None:
    """A later ranking decides, whatever the clock says of when it was; monotonic time bounds the run."""
    store = Store.in_memory()
    days = iter(range(27, 0, -1))

    def backwards() -> str:
        return f"2026-11-{next(days, 1):02}T00:00:00.000000+00:00"

    first = search(store, trials=16, now=backwards)
    again = search(store, trials=32, now=lambda: "2001-01-01T00:00:00.000000+00:00")
    moments = [record.created for record in sorted(store.all(), key=lambda record: record.id or 0)]
    trials = [r for r in sorted(store.all(), key=lambda r: r.id or 0) if r.purpose is Purpose.TRIAL]
    assert moments == sorted(moments)
    assert len({record.created for record in trials}) == len(trials) == 32
    assert first.best is not None
    assert again.best is not None
    assert (again.best.cost or 0) <= (first.best.cost or 0)
