"""Which record is best: the side-by-side rankings decide, later trials may challenge their champion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import log

from ..trial import Candidate, Status
from .record import Purpose, Record

# These steer the search or the files around it; none of them changes how fast a kernel runs.
_IRRELEVANT = frozenset({"ortools", "lightgbm", "python"})
_MOST = 0.1  # that one ranking says of two candidates: something else hit one of them if it says more


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
    measured against it side by side. So among trials older than the newest ranking only ranked candidates
    count, of these the `champion`; trials later than that are held against its fastest ranking, as trials are
    of good moments too.
    """
    rankings = [record for record in records if record.purpose is Purpose.RANKING]
    ranked = {record.trial.candidate for record in rankings if not _lost(record)}
    last = max((record.created for record in rankings if _eligible(record)), default="")
    best = champion(rankings)
    standing = [] if best is None else [best]
    standing += [
        record
        for record in records
        if record.purpose is Purpose.TRIAL
        and _eligible(record)
        and record.trial.candidate not in ranked
        and record.created > last
    ]
    return min(standing, key=_order, default=None)


def champion(rankings: Sequence[Record]) -> Record | None:
    """Of what was ranked side by side, the candidate that no other has beaten since; its fastest ranking.

    No ranking sees every moment: what wins by a hair on a quiet machine may be the slowest of all where a
    neighbour uses the caches. So the champion of earlier rankings is beaten by who took less time than it in
    the geometric mean of all rankings that both took part in, of which none counts for more than a tenth; or,
    where a ranking was made without the champion, by who beats the time of its fastest. A candidate that
    failed when it was last ranked is out.
    """
    fit: dict[Candidate, bool] = {}
    for record in sorted(rankings, key=_age):
        if not _lost(record):
            fit[record.trial.candidate] = _eligible(record)
    moments: dict[str, dict[Candidate, Record]] = {}
    for record in sorted(rankings, key=_age):
        if _eligible(record) and fit[record.trial.candidate]:
            moments.setdefault(record.created, {})[record.trial.candidate] = record
    best: Record | None = None
    past: list[dict[Candidate, Record]] = []
    for ranking in moments.values():
        past.append(ranking)
        held = None if best is None else best.trial.candidate
        if held not in ranking:
            winner = min(ranking.values(), key=_order)
            best = winner if best is None else min(best, winner, key=_order)
            continue
        behind = {each: _behind(each, held, past) for each in ranking}
        held = min(ranking, key=lambda each: (behind[each], each != held, _order(ranking[each])))
        best = min((each[held] for each in past if held in each), key=_order)
    return best


def _behind(one: Candidate, other: Candidate, rankings: Iterable[Mapping[Candidate, Record]]) -> float:
    """Mean logarithm of how many times as long as the other one takes, over what both took part in."""
    shared = [(each[one].cost, each[other].cost) for each in rankings if one in each and other in each]
    ratios = [log(mine / theirs) for mine, theirs in shared if mine and theirs]
    return sum(max(-_MOST, min(_MOST, each)) for each in ratios) / max(1, len(ratios))


def _lost(record: Record) -> bool:
    return record.trial.measurement.status is Status.DEVICE_LOST


def _eligible(record: Record) -> bool:
    return record.cost is not None and record.trial.measurement.verified


def _order(record: Record) -> tuple[float, str, str, tuple[tuple[str, int], ...]]:
    assert record.cost is not None
    candidate = record.trial.candidate
    return (record.cost, record.created, candidate.variant, candidate.knobs)


def _age(record: Record) -> tuple[str, int]:
    return (record.created, record.id or 0)
