"""What the store already knows when a run starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..records import Purpose, Record, Store
from ..trial import Status
from .problem import Problem


@dataclass(frozen=True, slots=True)
class Past:
    """Comparable records of the same workload, target and threads.

    `rounds` holds the trials of this very run (method and seed) by round and in the order of their proposal;
    `others` the trials of other runs, oldest first; `rankings` all side-by-side measurements. `unfit` counts
    the records left out because the present spaces do not contain them.
    """

    rounds: Mapping[int, Sequence[Record]]
    others: Sequence[Record]
    rankings: Sequence[Record]
    unfit: int

    def records(self) -> list[Record]:
        """All of them."""
        own = [record for records in self.rounds.values() for record in records]
        return [*own, *self.others, *self.rankings]


def read_past(
    store: Store, problem: Problem, threads: int, versions: Mapping[str, str], method: str, seed: int
) -> Past:
    """Sort what the store holds.

    A candidate counts once, by its oldest measurement; one that was only built, or lost with its device, was
    never measured and does not count.
    """
    found = store.trials(problem.key, problem.digest, threads, versions, purpose=None)
    fitting = [r for r in found if any(variant.fits(r.trial.candidate) for variant in problem.variants)]
    rounds: dict[int, list[Record]] = {}
    others: list[Record] = []
    trials = [record for record in fitting if record.purpose is Purpose.TRIAL]
    seen = set()
    for record in sorted(trials, key=lambda record: not _own(record, method, seed)):
        candidate = record.trial.candidate
        if not _was_measured(record) or candidate in seen:
            continue
        seen.add(candidate)
        if _own(record, method, seed):
            rounds.setdefault(record.round, []).append(record)
        else:
            others.append(record)
    for records in rounds.values():
        records.sort(key=lambda record: record.position)
    rankings = [record for record in fitting if record.purpose is Purpose.RANKING]
    return Past(dict(sorted(rounds.items())), others, rankings, len(found) - len(fitting))


def _was_measured(record: Record) -> bool:
    status = record.trial.measurement.status
    return record.cost is not None if status is Status.OK else status is not Status.DEVICE_LOST


def _own(record: Record, method: str, seed: int) -> bool:
    return record.method == method and record.seed == seed
