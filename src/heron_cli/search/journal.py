"""The records of one run: what the store held of it before, and what it adds, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from ..records import Purpose, Record, Store, best_of, champion
from ..records.record import after
from ..trial import Candidate, Measurement, Trial
from .events import NewBest, OnEvent, Resumed
from .past import read_past
from .problem import Problem


class Journal:
    """Holds the lease on the workload from its making to `close`.

    `own` are this run's trials (of its method and seed), earlier processes' included, in the order of their
    proposal; `others` the trials of other runs; `rankings` side-by-side measurements; `incumbent` the fastest
    verified record of all. `begun` are the trials of the round `next_round`, if an earlier process began it.

    Raises InputError when another process tunes the same workload in this store or the store cannot be
    written.
    """

    def __init__(
        self,
        problem: Problem,
        method: str,
        seed: int,
        store: Store,
        threads: int,
        versions: Mapping[str, str],
        now: Callable[[], str],
        on_event: OnEvent,
    ) -> None:
        """Take the lease and read what is there."""
        self.problem, self.method, self.seed = problem, method, seed
        self._store, self._threads, self._versions = store, threads, versions
        self._now, self._on_event = now, on_event
        self._lease = ExitStack()
        self._lease.enter_context(store.lease(problem.key, problem.digest, threads))
        try:
            past = read_past(store, problem, threads, versions, method, seed)
        except BaseException:
            self._lease.close()
            raise
        self.others = past.others
        self.rankings = list(past.rankings)
        self._last = max((record.created for record in past.records()), default="")
        held = [record for records in past.rounds.values() for record in records]
        self.resumed = len(held)
        self.incumbent = best_of([*past.others, *held, *self.rankings])
        if held or past.others or past.unfit:
            on_event(Resumed(len(held), len(past.others), past.unfit, self.incumbent))
        self.next_round = max(past.rounds, default=0)
        self.own: list[Record] = []
        for number in range(self.next_round):
            self.own += past.rounds.get(number, ())
        # only the last round can be incomplete: a round starts when the one before it is done
        self.begun: Sequence[Record] = past.rounds.get(self.next_round, ())

    def trials(self) -> list[Record]:
        """All trials that inform the search, those of other runs first."""
        return [*self.others, *self.own]

    def best(self) -> Record | None:
        """The fastest verified record of everything, rankings included."""
        return best_of([*self.trials(), *self.rankings])

    def champion(self) -> Record | None:
        """The best of what was ranked."""
        return champion(self.rankings)

    def add(self, candidate: Candidate, measurement: Measurement, round_index: int, position: int) -> Record:
        """Store a trial and return its record; it is not one of `own` yet, since its round is not done."""
        trial = Trial(candidate, measurement)
        return self._store.add(self._record(trial, round_index, position, Purpose.TRIAL, self._moment()))

    def rank(self, rivals: Sequence[Record], measured: Sequence[Measurement]) -> list[Record]:
        """Store the rivals' measurements as one ranking."""
        moment = self._moment()  # shared: it marks the records as one ranking
        round_index = max((record.round for record in self.own), default=0)
        records = [
            self._record(
                Trial(rival.trial.candidate, measurement), round_index, place, Purpose.RANKING, moment
            )
            for place, (rival, measurement) in enumerate(zip(rivals, measured, strict=True))
        ]
        stored = self._store.add_all(records)
        self.rankings += stored
        return stored

    def challenge(self, record: Record) -> None:
        """Crown the record if it is verified and faster than the incumbent."""
        if record.cost is None or not record.trial.measurement.verified:
            return
        best = None if self.incumbent is None else self.incumbent.cost
        if best is None or record.cost < best:
            self.incumbent = record
            self._on_event(NewBest(record))

    def close(self) -> None:
        """Give the lease back."""
        self._lease.close()

    def _record(self, trial: Trial, number: int, position: int, purpose: Purpose, created: str) -> Record:
        return Record(
            workload=self.problem.key,
            definition=self.problem.definition,
            operator=self.problem.operator,
            target=self.problem.target,
            target_digest=self.problem.digest,
            threads=self._threads,
            trial=trial,
            seed=self.seed,
            method=self.method,
            versions=self._versions,
            created=created,
            purpose=purpose,
            round=number,
            position=position,
        )

    def _moment(self) -> str:
        """Now, and later than every record before: a clock that was set back must not reorder them."""
        self._last = after(self._now(), self._last)
        return self._last
