"""Several lanes that serve the same kind of job, each job tried again where it may not be at fault."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from heron_cli.measure.lane import Failure, Lane, LaneError, Reply, UnableError

Tag = TypeVar("Tag")


@dataclass(slots=True)
class Ticket(Generic[Tag]):
    """A job under way and what it is for; `started` is when its present attempt began (time.monotonic)."""

    tag: Tag
    job: object
    started: float = 0.0
    attempts: int = 0
    seconds: float = 0.0  # what its last attempt took, once it has ended


class LanePool(Generic[Tag]):
    """Hands jobs to whichever lane is ready; a job that fails without blame is tried `attempts` times.

    `blameless` says that no failure of a lane is ever its job's fault.
    """

    def __init__(self, lanes: Sequence[Lane], attempts: int = 2, *, blameless: bool = False) -> None:
        self.lanes = list(lanes)
        self._blameless = blameless
        self._attempts = attempts
        self._under_way: dict[int, Ticket[Tag]] = {}
        self._again: list[Ticket[Tag]] = []
        self._dead: set[int] = set()

    @property
    def busy(self) -> bool:
        """Whether any job is under way or has to be repeated."""
        return bool(self._under_way or self._again)

    def submit(self, tag: Tag, job: object) -> bool:
        """Start a job if a lane is free; False if none is. `tag` comes back with the outcome."""
        return self._place(Ticket(tag, job))

    def poll(self) -> list[tuple[Ticket[Tag], Reply | Failure]]:
        """The jobs that ended.

        A lane whose children do not come up, time after time, is left out; LaneError when it is the last one,
        or when a child says itself what no other could do either.
        """
        ended: list[tuple[Ticket[Tag], Reply | Failure]] = []
        for number, lane in enumerate(self.lanes):
            if number in self._dead:
                continue
            try:
                news = lane.poll()
            except UnableError:
                raise
            except LaneError:
                if len(self._dead) + 1 == len(self.lanes):
                    raise
                self._dead.add(number)
                if (stranded := self._under_way.pop(number, None)) is not None:
                    self._again.append(stranded)
                continue
            if news is None:
                continue
            ticket = self._under_way.pop(number)
            ticket.seconds = time.monotonic() - ticket.started
            blameless = isinstance(news, Failure) and (news.blameless or self._blameless)
            if blameless and ticket.attempts < self._attempts:
                self._again.append(ticket)
            else:
                ended.append((ticket, news))
        while self._again and self._place(self._again[-1]):
            self._again.pop()
        return ended

    def start(self) -> None:
        """Begin to start the children, so that they are up when the first job comes."""
        for number, lane in enumerate(self.lanes):
            if number not in self._dead:
                lane.ready()

    def cancel(self) -> list[Tag]:
        """Forget the jobs under way; their tags."""
        lost = [ticket.tag for ticket in (*self._under_way.values(), *self._again)]
        for lane in self.lanes:
            lane.cancel()
        self._under_way.clear()
        self._again.clear()
        return lost

    def close(self) -> None:
        """End the children."""
        self.cancel()
        for lane in self.lanes:
            lane.close()

    def _place(self, ticket: Ticket[Tag]) -> bool:
        for number, lane in enumerate(self.lanes):
            if number not in self._under_way and number not in self._dead and lane.ready():
                ticket.started = time.monotonic()
                ticket.attempts += 1
                self._under_way[number] = ticket
                lane.submit(ticket.job)
                return True
        return False
