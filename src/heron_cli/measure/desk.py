"""A child's side of a lane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from heron_cli.errors import HeronError
from heron_cli.measure.channel import Channel, ChannelError
from heron_cli.measure.text import of_exception


class Desk:
    """The first message that comes is the setup, the following ones are jobs; each gets one reply."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        channel.send(("hello",))

    def setup(self) -> Any:
        """What the lane sends first."""
        return self._channel.receive()

    def ready(self) -> None:
        """Say that jobs can come."""
        self._channel.send(("ready",))

    def unable(self, error: BaseException) -> None:
        """Say that no child of this kind will ever work, and why."""
        self._channel.send(("unable", str(error) if isinstance(error, HeronError) else of_exception(error)))

    def jobs(self) -> Iterator[Any]:
        """The jobs, until the lane hangs up."""
        while True:
            try:
                yield self._channel.receive()
            except ChannelError:
                return

    def phase(self, label: str, seconds: float, detail: int = 0) -> None:
        """Say that a phase begins, and how long it may take."""
        self._channel.send(("phase", label, detail, seconds))

    def reply(self, value: object) -> None:
        """Answer the job."""
        self._channel.send(("reply", value))
