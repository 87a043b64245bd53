"""Which record is best: the last side-by-side ranking decides, later trials may challenge it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..trial import Candidate, Status
from .record import Purpose, Record

# These steer the search or the files around it; none of them changes how fast a kernel runs.
_IRRELEVANT = frozenset({"ortools", "lightgbm", "python"})


def comparable(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """True when times measured under the two sets of versions may be compared."""
    names = (set(one) | set(other)) - _IRRELEVANT
    return all(one.get(name) == other.get(name) for name in names)


def comparable_groups(records: Iterable[Record]) -> list[list[Record]]:
    """The records parted by workload, target digest, threads and what makes times comparable."""
    groups: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        relevant = sorted(item for item in record.versions.items() if item[0] not in _IRRELEVANT)
        key = (record.workload, record.target_digest, record.threads, tuple(relevant))
        groups.setdefault(key, []).append(record)
    return list(groups.values())


def best_of(records: Sequence[Record]) -> Record | None:
    """The best verified record of one workload on one target.

    Times of different moments are not quite comparable: a lucky trial must not outrank a kernel that was
    measured against it side by side. So each candidate counts with its newest ranking; among trials older
    than the newest ranking only ranked candidates count; of each ranking only the winner stands; and a
    candidate that failed when it was last ranked is out.
    """
    rankings = [record for record in records if record.purpose is Purpose.RANKING]
    newest: dict[Candidate, Record] = {}
    for record in sorted(rankings, key=_age):
        if record.trial.measurement.status is not Status.DEVICE_LOST:
            newest[record.trial.candidate] = record
    winners: dict[str, Record] = {}
    for record in newest.values():
        if _eligible(record):
            held = winners.get(record.created)
            if held is None or _order(record) < _order(held):
                winners[record.created] = record
    last = max(winners, default="")
    standing = list(winners.values())
    standing += [
        record
        for record in records
        if record.purpose is Purpose.TRIAL
        and _eligible(record)
        and record.trial.candidate not in newest
        and record.created > last
    ]
    return min(standing, key=_order, default=None)


def _eligible(record: Record) -> bool:
    return record.cost is not None and record.trial.measurement.verified


def _order(record: Record) -> tuple[float, str, str, tuple[tuple[str, int], ...]]:
    assert record.cost is not None
    candidate = record.trial.candidate
    return (record.cost, record.created, candidate.variant, candidate.knobs)


def _age(record: Record) -> tuple[str, int]:
    return (record.created, record.id or 0)
