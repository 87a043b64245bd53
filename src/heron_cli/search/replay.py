"""Measurements from the store instead of a device: searches repeated and compared without hardware."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..records import Purpose, Record
from ..trial import Candidate, Measurement, Status

UNKNOWN = Measurement(Status.DEVICE_LOST, reason="replay: the records hold no trial of this candidate")


class ReplayRunner:
    """A `Runner` that answers what records of one workload say.

    A candidate that they do not hold comes back as device-lost, since nothing was measured: the cost model
    ignores it, it is never best, and a round without any known candidate ends the run. Write to another
    store than the one replayed (`Store.in_memory`), where a run would resume instead.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        """Answer trials with a candidate's oldest trial, re-measurements with its newest ranking."""
        self._trials: dict[Candidate, Measurement] = {}
        self._rankings: dict[Candidate, Measurement] = {}
        for record in sorted(records, key=lambda record: (record.created, record.id or 0)):
            if record.purpose is Purpose.TRIAL:
                self._trials.setdefault(record.trial.candidate, record.trial.measurement)
            else:
                self._rankings[record.trial.candidate] = record.trial.measurement

    def run(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, Measurement]]:
        """The recorded trials, in the order of the candidates."""
        for index, candidate in enumerate(candidates):
            yield index, self._trials.get(candidate, UNKNOWN)

    def remeasure(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        """The recorded rankings, or the trials of candidates that were never ranked."""
        return [self._rankings.get(each, self._trials.get(each, UNKNOWN)) for each in candidates]

    def close(self) -> None:
        """Nothing to release."""
