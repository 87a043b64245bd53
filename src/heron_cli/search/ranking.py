"""The final ranking: the best few measured again, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import Record
from ..trial import Candidate

RIVALS = 8
DISTURBED = 4  # of these, where others are near
MARGIN = 0.1  # as close as this, relative, the order of two of many single trials means little


def rivals(trials: Sequence[Record], *standing: Record | None) -> list[Record]:
    """The fastest trial and at most seven others within 10 % of it, no program twice; fastest first.

    Times of disturbed trials are less to be trusted, and the fastest of many are those that were made up for
    too well: where there are others, they count as no faster than the fastest of these for the 10 %, and at
    most four take part.

    Last comes what is held to be best so far (`standing`: the champion of the rankings and the best of all),
    if it is none of them: trials of luckier moments must not keep it out, nor may a trial be held to be best
    that was never measured beside the winner.
    Trials that ran but were not verified take part, for the ranking verifies them. Empty when there is
    nothing to decide: a single verified trial, or none, or a verified one whose cycles are modelled, which
    are the same every time.
    """
    timed = [record for record in trials if record.cost is not None]
    timed.sort(key=lambda record: (record.cost or 0.0, record.created, record.position))
    # candidates of one program have one time, and only the first of them says what it is worth
    doubted = {_program(record) for record in timed if record.trial.measurement.disturbed}
    quiet = [record for record in timed if _program(record) not in doubted]
    fastest = (quiet or timed)[:1]
    chosen: list[Record] = []
    seen: set[Candidate | str] = set()
    for record in timed:
        if len(chosen) == RIVALS or (record.cost or 0.0) > (fastest[0].cost or 0.0) * (1 + MARGIN):
            break
        same = _program(record)
        if same in seen or (quiet and same in doubted and len(seen & doubted) == DISTURBED):
            continue
        seen.add(same)
        chosen.append(record)
    for record in (each for each in standing if each is not None):
        if record.trial.candidate not in {r.trial.candidate for r in chosen} and _program(record) not in seen:
            seen.add(_program(record))
            chosen.append(record)
    if chosen and (first := chosen[0].trial.measurement).verified and (len(chosen) == 1 or first.cycles):
        return []
    return chosen


def _program(record: Record) -> Candidate | str:
    return record.trial.measurement.program or record.trial.candidate


def is_ranked(chosen: Sequence[Record], rankings: Sequence[Record]) -> bool:
    """True when the newest ranking measured all these candidates after their trials."""
    newest = max((record.created for record in rankings), default="")
    ranked = {record.trial.candidate for record in rankings if record.created == newest}
    return all(r.trial.candidate in ranked and r.created <= newest for r in chosen)
