"""The tuner's side of a session: a process for each server, so that one that hangs can be given up.

It never returns from a broken connection: it ends, its lane says so, and the job goes to another session.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heron_cli.errors import InputError
from heron_cli.measure.channel import Channel
from heron_cli.measure.desk import Desk
from heron_cli.measure.reach import reach
from heron_cli.measure.rpc import wire
from heron_cli.measure.text import of_exception

if TYPE_CHECKING:
    from tvm.rpc import RPCSession

_SESSION_SECONDS = 3600.0  # TVM's server ends a session after that; the lane then takes another
_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Tracker:
    """Where a TVM RPC tracker listens, and the key of the servers to ask it for."""

    host: str
    port: int
    key: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ClientSetup:
    """What a client process is told: the tracker, what is measured, and seconds that one kernel may take."""

    tracker: Tracker
    opening: wire.Opening
    kernel_seconds: float
    patience: float


def servers(tracker: Tracker) -> int:
    """How many servers of the key the tracker knows; at least one.

    Raises InputError when no tracker answers there, or it knows no such server.
    """
    from tvm import rpc

    try:
        reach(tracker.host, tracker.port)
        summary = rpc.connect_tracker(tracker.host, tracker.port).summary()
    except Exception as error:  # TVM reports a refused connection, silence and garbage in many ways
        raise InputError(
            f"--tracker {tracker}: no TVM RPC tracker answers there: {of_exception(error)}"
        ) from error
    keys = [str(each.get("key", "")).removeprefix("server:") for each in summary.get("server_info", ())]
    count = keys.count(tracker.key)
    if not count:
        known = ", ".join(sorted(set(keys))) or "no server at all"
        raise InputError(f"--tracker {tracker}: no server has the key '{tracker.key}'; it knows {known}")
    return count


def describe(tracker: Tracker, seconds: float = 60.0) -> dict[str, Any]:
    """What a server of the key says of its machine: `cpu`, `target`, `digest`. Raises InputError."""
    from threading import Thread

    servers(tracker)
    found: list[dict[str, Any] | Exception] = []

    def ask() -> None:
        try:
            found.append(wire.answer_of(_function(_session(tracker), wire.DESCRIBE)()))
        except Exception as error:
            found.append(error)

    # a thread, because TVM waits without end for a server that does not answer
    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        raise InputError(f"--tracker {tracker}: no server '{tracker.key}' is free, or none answers")
    if isinstance(found[0], Exception):
        raise InputError(
            f"--tracker {tracker}: a server '{tracker.key}' fails: {of_exception(found[0])}; "
            "is it started by `heron serve`?"
        )
    return found[0]


def _session(tracker: Tracker) -> RPCSession:
    from tvm import rpc

    return rpc.connect_tracker(tracker.host, tracker.port).request(
        tracker.key, session_timeout=_SESSION_SECONDS
    )


def _function(session: RPCSession, name: str) -> Callable[..., str]:
    function = session.get_function(name)
    return lambda *texts: str(function(*texts))


def serve(channel: Channel) -> None:
    """The life of a client process."""
    desk = Desk(channel)
    try:
        setup: ClientSetup = desk.setup()
    except Exception as error:  # whatever unpickling raises
        desk.unable(error)
        return
    try:
        measure = _open(setup)
    except wire.RemoteError as error:  # the server knows why; another session would say the same
        desk.unable(error)
        return
    desk.ready()
    for order in desk.jobs():
        desk.phase("the remote measurement", setup.kernel_seconds * len(order.kernels))
        try:
            desk.reply(wire.load_answers(measure(wire.dump_order(order))))
        except wire.RemoteError as error:
            desk.unable(error)
            return
        except Exception as error:  # the connection: TVM reports its end in many ways
            _give_up(error)


def _open(setup: ClientSetup) -> Callable[[str], str]:
    """A session whose server is ready; tries again while the tracker is away."""
    deadline = time.monotonic() + setup.patience
    while True:
        try:
            session = _session(setup.tracker)
            wire.answer_of(_function(session, wire.OPEN)(wire.dump_opening(setup.opening)))
            return _function(session, wire.MEASURE)
        except wire.RemoteError:
            raise
        except Exception as error:  # refused, reset, or no such function: TVM's errors have no common base
            if time.monotonic() > deadline:
                _give_up(error)
            time.sleep(_PAUSE)


def _give_up(error: Exception) -> None:
    print(f"the connection to the server broke: {of_exception(error)}", file=sys.stderr, flush=True)
    os._exit(1)
