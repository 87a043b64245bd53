"""Tuning one workload: propose, measure, record, repeat; then rank the best few side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypedDict, Unpack

from ..errors import NoValidTrialError
from ..records import Record, Store, current_versions
from ..records.record import utc_now
from ..trial import Candidate, Measurement, Status, Trial
from .events import (
    Finished,
    OnEvent,
    RankingDone,
    RankingStarted,
    RoundDone,
    RoundStarted,
    TrialDone,
    ignore,
)
from .journal import Journal
from .problem import Problem, Runner
from .protocol import Method, get_method
from .ranking import is_ranked, rivals
from .result import Budget, Stopped, TuneResult, describe_failures
from .spent import Spent

BATCH = 16  # on synthetic costs 16 came 5 % nearer to the optimum in 128 trials than 32


class Options(TypedDict, total=False):
    """What `Search` takes by name."""

    threads: int
    batch: int
    rank_again: bool
    versions: Mapping[str, str] | None
    clock: Callable[[], float]
    now: Callable[[], str]


def tune(
    problem: Problem,
    method: str,
    runner: Runner,
    store: Store,
    budget: Budget,
    seed: int = 0,
    on_event: OnEvent = ignore,
    **options: Unpack[Options],
) -> TuneResult:
    """Search the problem's spaces until the budget is spent or nothing is left to try.

    What the store holds of this run (workload, target, threads, method, seed, comparable versions) counts
    and is not measured again; trials of other runs inform the method. Every trial is stored as it arrives.

    Raises InputError when another process tunes the same workload in this store or the store cannot be
    written, SpaceEmptyError when a space has no point, NoValidTrialError when there is no verified kernel in
    the end (after the event `Finished`).
    """
    with Search(problem, method, store, budget, seed, on_event, **options) as search:
        while search.step(runner) is None:
            pass
        return search.finish(runner)


class Search:
    """One workload's run, a round at a time, so that a scheduler can share time among several.

    A context manager that holds the lease on the workload (see `Journal`, which raises InputError).
    """

    def __init__(
        self,
        problem: Problem,
        method: str,
        store: Store,
        budget: Budget,
        seed: int = 0,
        on_event: OnEvent = ignore,
        *,
        threads: int = 1,
        batch: int = BATCH,
        rank_again: bool = False,
        versions: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], str] = utc_now,
    ) -> None:
        """The seconds of `budget` count from here; `rank_again`: rank also what was ranked."""
        self.problem, self.budget, self.batch = problem, budget, batch
        self.bound = problem.bound
        self.on_event, self.clock = on_event, clock
        self._rank_again = rank_again
        spent = Spent(clock)
        spent.add("solve", problem.solve_seconds)
        self.method: Method = get_method(method)(problem, seed, spent)
        self.stopped: Stopped | None = None
        self._until: float | None = None
        known = current_versions() if versions is None else versions
        self.journal = Journal(problem, method, seed, store, threads, known, now, on_event)
        self.started = self.clock()

    def step(self, runner: Runner, until: float | None = None) -> Stopped | None:
        """One round (or the rest of one begun by an earlier process); a reason to stop after it.

        `until` is a moment of `clock` that bounds the search as the seconds of the budget do. Raises
        SpaceEmptyError when a space has no point.
        """
        self._until = until
        journal = self.journal
        begun, journal.begun = journal.begun, ()
        self.stopped = self._round(runner, journal.next_round, begun)
        journal.next_round += 1
        return self.stopped

    def finish(self, runner: Runner) -> TuneResult:
        """Rank the close rivals side by side, unless the store has that already, and say what came of it.

        Raises NoValidTrialError when there is no verified kernel (after the event `Finished`).
        """
        self._rank(runner)
        self._renew_bound()
        self.close()
        stopped = self.stopped or Stopped.TIME
        result = TuneResult(
            key=self.problem.key,
            target=self.problem.target,
            best=self.journal.best(),
            records=self.journal.own,
            resumed=self.journal.resumed,
            stopped=stopped,
            seconds_spent=self.method.spent.seconds(),
            bound=self.bound,
        )
        self.on_event(Finished(result))
        if result.best is None:
            raise NoValidTrialError(_nothing_valid(self.problem.key, self.journal.trials(), stopped))
        return result

    def close(self) -> None:
        """Give the lease back."""
        self.journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rank(self, runner: Runner) -> None:
        chosen = rivals(self.journal.trials(), self.journal.champion(), self.journal.best())
        if not chosen or (is_ranked(chosen, self.journal.rankings) and not self._rank_again):
            return
        self.on_event(RankingStarted(chosen))
        measured = runner.remeasure([record.trial.candidate for record in chosen])
        for measurement in measured:
            self._account(measurement)
        self.on_event(RankingDone(self.journal.rank(chosen, measured)))

    def _round(self, runner: Runner, number: int, before: Sequence[Record]) -> Stopped | None:
        """Propose and measure one round, of which `before` is there already; a reason to stop after it."""
        own, start = self.journal.own, len(self.journal.own)
        history = [record.trial for record in self.journal.trials()]
        own += before
        room = self.batch if self.budget.trials is None else self.budget.trials - len(own)
        if room <= 0:
            return Stopped.TRIALS
        if self._close():
            return Stopped.GAP
        if len(before) >= self.batch:
            return None
        if self._late():
            return Stopped.TIME
        # always a whole batch: what a smaller budget cuts off, a larger one adds later
        proposed = self.method.propose(self.batch, history, number)
        _check(proposed, history, self.method.name)
        if not proposed and not before:
            return Stopped.EXHAUSTED
        known = {record.trial.candidate for record in before}
        if not known.issubset(proposed):
            return None  # made with another batch size or solver: leave that round as it is, go on from there
        missing = [(place, each) for place, each in enumerate(proposed) if each not in known][:room]
        if not missing:
            return None
        self.on_event(RoundStarted(number, len(missing), len(own)))
        new = self._measure(runner, number, missing)
        own[start:] = sorted([*before, *new], key=lambda r: r.position)
        valid = sum(record.trial.measurement.status is Status.OK for record in own)
        self.on_event(RoundDone(number, len(own), valid, self.journal.incumbent))
        if all(record.trial.measurement.status is Status.DEVICE_LOST for record in new):
            return Stopped.DEVICE_LOST
        return Stopped.TIME if len(new) < len(missing) else None

    def _measure(self, runner: Runner, number: int, places: Sequence[tuple[int, Candidate]]) -> list[Record]:
        """Measure the candidates, storing each as it arrives; fewer when time runs out."""
        records: list[Record] = []
        with _closing(runner.run([candidate for _, candidate in places])) as results:
            for index, measurement in results:
                position, candidate = places[index]
                record = self.journal.add(candidate, measurement, number, position)
                records.append(record)
                self._account(measurement)
                self.on_event(TrialDone(len(self.journal.own) + len(records), record))
                self.journal.challenge(record)
                if self._late():
                    return records
        if len(records) != len(places):
            raise RuntimeError(f"the runner answered for {len(records)} of {len(places)} candidates")
        return records

    def _account(self, measurement: Measurement) -> None:
        self.method.spent.add("build", measurement.build_seconds)
        self.method.spent.add("measure", measurement.run_seconds)

    def _close(self) -> bool:
        """Whether the incumbent is within the budget's gap of the bound, also when that is renewed."""
        if not self._within_gap():
            return False
        self._renew_bound()
        return self._within_gap()

    def _within_gap(self) -> bool:
        gap, bound, incumbent = self.budget.gap, self.bound, self.journal.incumbent
        cost = None if incumbent is None else incumbent.cost
        return gap is not None and bound is not None and cost is not None and cost <= bound.cost * (1 + gap)

    def _renew_bound(self) -> None:
        """Ask for the bound again, since a machine that was disturbed seems slower than it is."""
        again = self.problem.bound_again()
        if again is not None and (self.bound is None or again.cost < self.bound.cost):
            self.bound = again

    def _late(self) -> bool:
        limit, moment = self.budget.seconds, self.clock()
        if self._until is not None and moment >= self._until:
            return True
        return limit is not None and moment - self.started >= limit


@contextmanager
def _closing(
    results: Iterator[tuple[int, Measurement]],
) -> Iterator[Iterator[tuple[int, Measurement]]]:
    """Stop the measuring when the block is left early; a plain iterator has nothing to stop."""
    try:
        yield results
    finally:
        close = getattr(results, "close", None)
        if close is not None:
            close()


def _check(proposed: Sequence[Candidate], history: Sequence[Trial], method: str) -> None:
    """A method that repeats itself would spend trials on nothing: its bug, found at once."""
    tried = {trial.candidate for trial in history}
    if len(set(proposed)) < len(proposed) or not tried.isdisjoint(proposed):
        raise RuntimeError(f"search method {method} proposed a candidate twice")


def _nothing_valid(key: str, records: Sequence[Record], stopped: Stopped) -> str:
    if not records:
        return f"{key}: the budget ran out before the first trial ({stopped}); allow more"
    return f"{key}: none of {len(records)} trials gave a verified kernel: {describe_failures(records)}"
