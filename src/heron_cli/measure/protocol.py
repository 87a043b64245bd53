"""What search asks of measurement, whatever does the measuring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from heron_cli.trial import Candidate, Measurement


@runtime_checkable
class Runner(Protocol):
    """Measures candidates of one task. A bad candidate costs a measurement with a status, never an exception.

    Raises HeronError only when measuring itself is impossible (child processes do not start, no disk).
    """

    def run(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, Measurement]]:
        """Measure all candidates; yields (index in `candidates`, measurement) in any order.

        Closing the iterator early abandons what is under way.
        """

    def remeasure(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        """Measure a few candidates against each other, as fairly as the device allows; in their order."""

    def close(self) -> None:
        """Release processes and files. May be called twice."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
