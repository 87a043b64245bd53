"""One child process that does one job at a time, watched by deadlines and replaced when it dies."""

from __future__ import annotations

import contextlib
import select
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from heron_cli.errors import HeronError
from heron_cli.measure.channel import ChannelError
from heron_cli.measure.child import Child, NurseryHandle, Place
from heron_cli.measure.limits import Limits
from heron_cli.measure.system import signal_name
from heron_cli.measure.text import last_line, shorten

_SEND_SECONDS = 10.0
_KILL_SECONDS = 10.0
_NEWS_SECONDS = 1.0  # the news of a child's end follow the end of its channel by milliseconds
_NEVER = float("inf")
_PICK_UP = "the start"


class LaneError(HeronError):
    """Child processes for building or measuring do not come up."""


class UnableError(LaneError):
    """A child came up and said why no child of its kind can work: something on this machine to mend."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The child finished its job; `value` is what it answered."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failure:
    """The child did not finish its job. `detail` is the last detail the child gave of its phase.

    `blameless` is True when the job may not be at fault: someone else killed the child, or the child had
    done other jobs before, which may have damaged it.
    """

    timeout: bool
    reason: str
    blameless: bool = False
    detail: int = 0


class _State(Enum):
    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    DYING = "dying"


@dataclass(frozen=True, slots=True)
class _Phase:
    label: str = _PICK_UP
    detail: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Life:
    """One child from its start to its end."""

    child: Child
    deadline: float
    state: _State = _State.STARTING
    phase: _Phase = _Phase()
    owed: bool = False  # somebody waits for the outcome of a job
    verdict: Failure | None = None  # what to tell them once the dying child is gone, if that is known
    came_up: bool = False
    hung_up: bool = False
    served: int = 0

    def enter(self, phase: _Phase) -> None:
        self.phase, self.deadline = phase, time.monotonic() + phase.seconds

    def rest(self) -> None:
        self.state, self.deadline, self.owed = _State.IDLE, _NEVER, False


class Lane:
    """A child that serves jobs, started when `ready` is first asked. The child's side is a `Desk`."""

    def __init__(
        self, nursery: NurseryHandle, entry: str, setup: object, place: Place, limits: Limits, what: str
    ) -> None:
        self.entry = entry
        self._nursery, self._place, self._limits = nursery, place, limits
        self._setup = setup
        self._what = what
        self._failed_starts = 0
        self._life: _Life | None = None

    def ready(self) -> bool:
        """Whether a job can be submitted. A lane without a process starts one."""
        if self._life is None:
            child = self._nursery.spawn(self.entry, self._place)
            self._life = _Life(child, time.monotonic() + self._limits.start_seconds)
        return self._life.state is _State.IDLE

    @property
    def busy(self) -> bool:
        """Whether the outcome of a job is still to come from `poll`."""
        return self._life is not None and self._life.owed

    @property
    def life_number(self) -> int | None:
        """Number of the child at hand; another one after it was replaced."""
        return None if self._life is None else self._life.child.number

    @property
    def deadline(self) -> float:
        """The moment (time.monotonic) at which `poll` has to be called even without news."""
        return _NEVER if self._life is None else self._life.deadline

    def descriptors(self) -> list[int]:
        """What to wait on for news."""
        return [] if self._life is None else self._life.child.descriptors()

    def submit(self, job: object) -> None:
        """Hand over a job; the lane must be ready."""
        life = self._life
        assert life is not None and life.state is _State.IDLE
        life.state, life.owed = _State.BUSY, True
        life.enter(_Phase(_PICK_UP, 0, self._limits.pick_up_seconds))
        try:
            life.child.channel.send(job, _SEND_SECONDS)
        except ChannelError as error:
            self._kill(life, Failure(timeout=False, reason=f"{self._what} is gone: {error}", blameless=True))

    def cancel(self) -> None:
        """Forget the job under way, if any."""
        if self._life is not None and self._life.owed:
            self._life.owed = False
            self.retire()

    def retire(self) -> None:
        """Replace the child before it gets its next job."""
        if self._life is not None and self._life.state in (_State.IDLE, _State.BUSY):
            self._kill(self._life)

    def close(self) -> None:
        """End the child."""
        if self._life is not None:
            self._nursery.kill(self._life.child)
            self._life.child.close()
            self._life = None

    def poll(self) -> Reply | Failure | None:
        """Take in the news of the child: the outcome of the job under way, if it is known now.

        Raises LaneError when children do not come up, time after time.
        """
        life = self._life
        if life is None:
            return None
        exited = life.child.exited  # looked up before draining: what it sent before it ended counts
        life.child.drain_output()
        for message in life.child.channel.drain():
            if (reply := self._hear(life, message)) is not None:
                return reply
        if exited:
            return self._bury(life)
        if life.child.channel.closed and life.state is not _State.DYING:
            life.hung_up, life.state = True, _State.DYING
            life.deadline = time.monotonic() + _NEWS_SECONDS
        if time.monotonic() >= life.deadline:
            return self._expire(life)
        return None

    def _hear(self, life: _Life, message: Any) -> Reply | None:
        match message:
            case ("hello",):
                with contextlib.suppress(ChannelError):  # it died again; its exit is on the way
                    life.child.channel.send(self._setup, _SEND_SECONDS)
            case ("unable", reason):
                raise UnableError(f"{self._what} cannot work: {reason}")
            case ("ready",) if life.state is _State.STARTING:
                life.rest()
                life.came_up, self._failed_starts = True, 0
            case ("phase", label, detail, seconds) if life.state is _State.BUSY:
                life.enter(_Phase(label, detail, seconds))
            case ("reply", value) if life.state is _State.BUSY:
                life.rest()
                life.served += 1
                return Reply(value)
        return None

    def _kill(self, life: _Life, verdict: Failure | None = None) -> None:
        self._nursery.kill(life.child)
        life.verdict = verdict
        life.state, life.deadline = _State.DYING, time.monotonic() + _KILL_SECONDS

    def _expire(self, life: _Life) -> Failure | None:
        phase = life.phase
        if life.hung_up:
            life.hung_up = False
            reason = f"closed its connection in {phase.label}"
            self._kill(life, Failure(timeout=False, reason=reason, detail=phase.detail))
            return None
        if life.state is _State.STARTING:
            self.close()
            self._count_failed_start(f"not ready after {self._limits.start_seconds:g} s")
            return None
        if life.state is _State.DYING:  # stuck in the operating system, beyond even SIGKILL: leave it behind
            life.child.close()
            self._life = None
            stuck = Failure(timeout=True, reason=f"stuck in {phase.label}", detail=phase.detail)
            return (life.verdict or stuck) if life.owed else None
        reason = f"no end of {phase.label} after {phase.seconds:g} s"
        never_begun = phase.label == _PICK_UP
        self._kill(life, Failure(timeout=True, reason=reason, blameless=never_begun, detail=phase.detail))
        return None

    def _count_failed_start(self, why: str) -> None:
        self._failed_starts += 1
        if self._failed_starts >= self._limits.starts:
            self._failed_starts = 0
            raise LaneError(f"{self._what} does not start: {why}")

    def _bury(self, life: _Life) -> Failure | None:
        """The child has ended: what that means for its job, or for the lane if it never came up."""
        how, outside = _describe(life.child.code)
        printed = last_line(life.child.printed, 160)
        life.child.close()
        self._life = None
        if not life.came_up:
            self._count_failed_start(printed or self._nursery.log or how)
        if not life.owed or life.verdict is not None:
            return life.verdict if life.owed else None
        reason = f"{how} in {life.phase.label}" + (f"; it printed: {printed}" if printed else "")
        return Failure(
            timeout=False,
            reason=shorten(reason, 300),
            blameless=outside or life.served > 0,
            detail=life.phase.detail,
        )


def _describe(code: int | None) -> tuple[str, bool]:
    """How a process ended, and whether that may have come from outside."""
    if code is None:
        return "lost with its parent process", True
    if code == -signal.SIGKILL:
        return "killed from outside (out of memory?)", True
    if code < 0:
        return signal_name(-code), False
    return f"exit with code {code}", False


def wait(lanes: Iterable[Lane], nurseries: Iterable[NurseryHandle]) -> None:
    """Wait for news of any of them, or until the nearest deadline."""
    lanes, nurseries = list(lanes), list(nurseries)
    nearest = min((lane.deadline for lane in lanes), default=_NEVER)
    poller = select.poll()
    for lane in lanes:
        for descriptor in lane.descriptors():
            poller.register(descriptor, select.POLLIN)
    for nursery in nurseries:
        for descriptor in nursery.descriptors():
            poller.register(descriptor, select.POLLIN)
    seconds = min(nearest - time.monotonic(), 3600.0)
    poller.poll(max(0.0, seconds) * 1000 + 1)
    for nursery in nurseries:
        nursery.pump()
