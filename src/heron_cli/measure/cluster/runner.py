"""The runner for a Ray cluster, or for this machine as a cluster of one.

Ray is the scheduler: builds are tasks, spread over the nodes; stations are actors that occupy the cores that
kernels run on. A task whose worker or node dies is run again by Ray, a station is started again elsewhere;
what Ray cannot save comes back as device-lost and is measured by a later run.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from heron_cli.backends.base import Backend
from heron_cli.errors import HeronError, InputError
from heron_cli.measure.closing import Closing
from heron_cli.measure.cluster.work import Measured, Station, build, status_of
from heron_cli.measure.reach import reach
from heron_cli.measure.rpc.wire import Opening
from heron_cli.measure.text import last_line, of_exception
from heron_cli.trial import Candidate, Measurement, Status

_AHEAD = 3  # candidates under way per station: one measured, the others built meanwhile
_RETRIES = 3
_LOOK_SECONDS = 1.0


@dataclass(slots=True)
class _UnderWay:
    index: int
    station: int
    started: float


class RayRunner(Closing):
    """Measures on `stations` actors of a cluster; by default one for each node, and at least one.

    `address` is what `ray.init` takes: None for this machine, "auto", or ray://HOST:10001. `incumbent` is
    the best time so far. Raises InputError when Ray is not installed, does not answer, its nodes cannot
    measure for the accelerator, or differ in their processors.
    """

    def __init__(
        self,
        task: Any,
        backend: Backend,
        opening: Opening,
        *,
        address: str | None = None,
        stations: int | None = None,
        incumbent: float | None = None,
        patience: float = 120.0,
    ) -> None:
        self._ray = ray = connect(address)
        self._threads, self._limits, self._incumbent = opening.threads, opening.limits, incumbent
        self._task, self._backend = ray.put(task), ray.put(backend)
        stations = stations or max(1, sum(bool(node["Alive"]) for node in ray.nodes()))
        # builds reserve nothing: `_AHEAD` bounds them, and stations may take every core once nodes are lost
        spread = {"num_cpus": 0, "scheduling_strategy": "SPREAD"}
        self._build = ray.remote(**spread, max_retries=_RETRIES)(build)
        actor = ray.remote(
            num_cpus=opening.threads,
            max_restarts=-1,
            max_task_retries=-1,  # each try while the actor moves to another node counts; `_overdue` ends it
            scheduling_strategy="SPREAD",
        )(Station)
        self._stations = [actor.remote(opening, task.accelerator) for _ in range(stations)]
        try:
            found = set(ray.get([each.cpu.remote() for each in self._stations], timeout=patience))
        except Exception as error:  # Ray wraps what the actor raised, and has many errors of its own
            self.close()
            raise InputError(f"--runner ray: no station comes up: {_said(error)}") from error
        if len(found) > 1:
            self.close()
            raise InputError(
                f"--runner ray: the nodes differ: {', '.join(sorted(found))}; times on them do not compare"
            )
        self.cpu: str = found.pop()

    @property
    def stations(self) -> int:
        """How many stations measure."""
        return len(self._stations)

    def run(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, Measurement]]:
        """Build and measure all; see `Runner.run`."""
        todo = deque(range(len(candidates)))
        under_way: dict[Any, _UnderWay] = {}
        loads = [0] * len(self._stations)
        try:
            while todo or under_way:
                while todo and min(loads) < _AHEAD:
                    index, station = todo.popleft(), loads.index(min(loads))
                    reference = self._start(candidates[index], station)
                    under_way[reference] = _UnderWay(index, station, time.monotonic())
                    loads[station] += 1
                done, _ = self._ray.wait(list(under_way), num_returns=1, timeout=_LOOK_SECONDS)
                for reference in done or self._overdue(under_way):
                    entry = under_way.pop(reference)
                    loads[entry.station] -= 1
                    yield entry.index, self._collect(reference, late=not done)
        finally:
            for reference in under_way:
                self._ray.cancel(reference, recursive=True)

    def remeasure(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        """Build the candidates on the cluster and time them side by side on one station."""
        if not candidates:
            return []
        made = [self._make(candidate) for candidate in candidates]
        reference = self._stations[0].compare.remote(tuple(candidates), *made)
        try:
            found = self._ray.get(reference, timeout=len(candidates) * self._longest())
        except Exception as error:  # as in _collect
            return [Measurement(Status.DEVICE_LOST, reason=_said(error)) for _ in candidates]
        return [_measurement(each) for each in found]

    def close(self) -> None:
        """Give the cluster's cores back; Ray itself stays up for the next workload."""
        for station in getattr(self, "_stations", ()):
            self._ray.kill(station)
        self._stations = []

    def _make(self, candidate: Candidate) -> Any:
        return self._build.remote(self._task, self._backend, candidate, self._threads)

    def _start(self, candidate: Candidate, station: int) -> Any:
        return self._stations[station].measure.remote(self._make(candidate), candidate, self._incumbent)

    def _collect(self, reference: Any, *, late: bool) -> Measurement:
        if late:
            self._ray.cancel(reference, recursive=True)
            return Measurement(Status.TIMEOUT, reason=f"no end after {self._longest():g} s on the cluster")
        try:
            measurement = _measurement(self._ray.get(reference))
        except Exception as error:  # the cluster's: a node lost too often, a worker killed, no memory
            return Measurement(Status.DEVICE_LOST, reason=_said(error))
        if measurement.verified and measurement.seconds is not None:
            self._incumbent = min(measurement.seconds, self._incumbent or measurement.seconds)
        return measurement

    def _overdue(self, under_way: dict[Any, _UnderWay]) -> list[Any]:
        """At most one candidate that has taken longer than everything before it in its queue may take."""
        limit = time.monotonic() - _AHEAD * self._longest()
        return [reference for reference, entry in under_way.items() if entry.started < limit][:1]

    def _longest(self) -> float:
        """Seconds that one candidate may take: all its limits, and a worker's start."""
        limits = self._limits
        kernel = 2 * limits.load_seconds + 3 * limits.call_seconds + limits.timing_seconds
        return 2 * limits.start_seconds + limits.build_seconds + kernel


def connect(address: str | None) -> Any:
    """Ray, connected. Raises InputError when it is not installed or the cluster does not answer."""
    try:
        import ray
    except ImportError:
        raise InputError("--runner ray needs Ray; pip install 'heron-cli[ray]'") from None
    if not ray.is_initialized():
        try:
            _check(address)
            ray.init(address=address, log_to_driver=False, logging_level="error", include_dashboard=False)
        except Exception as error:  # refused, timed out, another version: no common base
            where, said = address or "this machine", last_line(str(error)) or type(error).__name__
            raise InputError(f"--cluster {where}: Ray does not start: {said}") from error
    return ray


def _check(address: str | None) -> None:
    """Raise OSError when an address has a port at which nobody listens."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        reach(host.strip("[]"), int(port))


def _measurement(measured: Measured) -> Measurement:
    made, answer = measured.made, measured.answer
    kernel = made.kernel
    outcome = answer.outcome if answer else None
    timing = outcome.timing if outcome else None
    return Measurement(
        status=status_of(measured),
        seconds=timing.seconds if timing else None,
        spread=timing.spread if timing else None,
        cycles=answer.cycles if answer else None,
        verified=outcome.verified if outcome else False,
        reason=outcome.reason if outcome else made.reason,
        build_seconds=made.seconds,
        run_seconds=measured.seconds,
        program=kernel.program if kernel else "",
        metrics=dict(kernel.metrics) if kernel else {},
    )


def _said(error: Exception) -> str:
    """What went wrong in one line: heron's own words where they came from a node."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, HeronError):
            return str(cause)
        cause = getattr(cause, "cause", None) or cause.__cause__
    return of_exception(error)
