"""Which record is best: all side-by-side rankings decide together, later trials may challenge them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import log

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
    measured against it side by side. Nor does one ranking see every moment: what wins by a hair on a quiet
    machine may be the slowest of all where a neighbour uses the caches. So among trials older than the newest
    ranking only ranked candidates count, by all their rankings (`_merits`); a candidate that failed when it
    was last ranked is out. Later trials are held against the fastest ranking of the best, as trials are of
    good moments too.
    """
    rankings = [record for record in records if record.purpose is Purpose.RANKING]
    newest: dict[Candidate, Record] = {}
    for record in sorted(rankings, key=_age):
        if record.trial.measurement.status is not Status.DEVICE_LOST:
            newest[record.trial.candidate] = record
    fit = {candidate for candidate, record in newest.items() if _eligible(record)}
    ranked = [record for record in rankings if _eligible(record) and record.trial.candidate in fit]
    merits = _merits(ranked)
    standing = sorted(ranked, key=lambda record: (merits[record.trial.candidate], *_order(record)))[:1]
    last = max((record.created for record in ranked), default="")
    standing += [
        record
        for record in records
        if record.purpose is Purpose.TRIAL
        and _eligible(record)
        and record.trial.candidate not in newest
        and record.created > last
    ]
    return min(standing, key=_order, default=None)


def _merits(rankings: Sequence[Record]) -> dict[Candidate, float]:
    """How much longer each candidate takes than others of its rankings, as a logarithm: less is better.

    The logarithm of a time is taken for the sum of what the moment of the ranking does to all and what the
    candidate is worth; least squares part the two. A candidate's worth is drawn to zero as if one more
    ranking had said that, so a candidate that was lucky once does not outrank one that was good often.
    """
    import numpy as np

    moments = {moment: place for place, moment in enumerate(sorted({each.created for each in rankings}))}
    candidates = list(dict.fromkeys(each.trial.candidate for each in sorted(rankings, key=_order)))
    places = {candidate: len(moments) + place for place, candidate in enumerate(candidates)}
    unknowns = len(moments) + len(places)
    equations = np.zeros((len(rankings) + len(places), unknowns))
    values = np.zeros(len(equations))
    for row, record in enumerate(sorted(rankings, key=_order)):
        equations[row, [moments[record.created], places[record.trial.candidate]]] = 1.0
        values[row] = log(record.cost or 1.0)
    for row, place in enumerate(places.values(), len(rankings)):
        equations[row, place] = 1.0
    solved = np.linalg.lstsq(equations, values, rcond=None)[0]
    return {candidate: round(float(solved[place]), 9) for candidate, place in places.items()}


def _eligible(record: Record) -> bool:
    return record.cost is not None and record.trial.measurement.verified


def _order(record: Record) -> tuple[float, str, str, tuple[tuple[str, int], ...]]:
    assert record.cost is not None
    candidate = record.trial.candidate
    return (record.cost, record.created, candidate.variant, candidate.knobs)


def _age(record: Record) -> tuple[str, int]:
    return (record.created, record.id or 0)
