"""The runner for other machines: builds here, measures on every server that a tracker knows by one key."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from heron_cli.backends.base import Backend, Kernel
from heron_cli.measure import cpu
from heron_cli.measure.builder import BuildPool, Built
from heron_cli.measure.child import Place
from heron_cli.measure.closing import Closing
from heron_cli.measure.lane import Lane, LaneError, Reply, UnableError, wait
from heron_cli.measure.lane_pool import LanePool
from heron_cli.measure.limits import Limits
from heron_cli.measure.nurseries import Nurseries
from heron_cli.measure.rpc.client import ClientSetup, Tracker, servers
from heron_cli.measure.rpc.wire import Answer, Opening, Order
from heron_cli.trial import Candidate, Measurement, Status

_ENTRY = "heron_cli.measure.rpc.client:serve"
_AHEAD = 4  # kernels that wait, per server
_ATTEMPTS = 3  # a kernel whose session broke is tried in so many
_START_SECONDS = 120.0


class RpcRunner(Closing):
    """Builds in processes here and measures on the servers, one kernel at a time on each.

    A kernel's crash or hang is the server's to catch, so a session that breaks is never the kernel's fault:
    it is measured again in another session, and is device-lost after three. `patience` is how long a client
    tries to reach a tracker that is away. `known` maps digests of programs measured before to what was said.
    """

    def __init__(
        self,
        task: Any,
        backend: Backend,
        opening: Opening,
        tracker: Tracker,
        *,
        jobs: int | None = None,
        incumbent: float | None = None,
        known: Mapping[str, Measurement] | None = None,
        preload: Sequence[str] = ("tvm",),
        nurseries: Nurseries | None = None,
        patience: float = 30.0,
    ) -> None:
        self._nurseries = nurseries or Nurseries()
        self._shared = nurseries is not None
        limits = opening.limits
        cores = cpu.plan(1)
        self._pool = BuildPool(
            backend,
            task,
            jobs=jobs or len({*cores.measure, *cores.build}),
            threads=opening.threads,
            limits=limits,
            preload=preload,
            nurseries=self._nurseries,
        )
        self._nursery = self._nurseries.get("heron_cli.measure.rpc.client", "tvm", "tvm.rpc")
        setup = ClientSetup(tracker, opening, _kernel_seconds(limits), patience)
        place = Place((), limits.memory_bytes, output_bytes=limits.output_bytes)
        lane_limits = replace(limits, start_seconds=max(limits.start_seconds, _START_SECONDS, 2 * patience))
        self._remote: LanePool[tuple[Built, ...]] = LanePool(
            [
                Lane(self._nursery, _ENTRY, setup, place, lane_limits, "a session with a server")
                for _ in range(servers(tracker))
            ],
            attempts=_ATTEMPTS,
            blameless=True,
        )
        self._incumbent = incumbent
        self._programs = {
            program: measurement
            for program, measurement in (known or {}).items()
            if measurement.status is not Status.DEVICE_LOST
        }
        self._ever_served = False
        self._pool.start()
        self._remote.start()

    @property
    def sessions(self) -> int:
        """How many servers there were when the runner was made."""
        return len(self._remote.lanes)

    def run(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, Measurement]]:
        """Build and measure all; see `Runner.run`."""
        todo = deque(enumerate(candidates))
        ready: deque[Built] = deque()
        try:
            while todo or ready or self._pool.busy or self._remote.busy:
                # whatever may free a lane comes before what fills it: an idle lane wakes nobody
                ended = self._poll(ready)
                yield from ended
                for built in self._pool.poll():
                    if built.kernel is None:
                        yield built.index, built.measurement()
                    elif (again := self._seen(built)) is not None:
                        yield built.index, again
                    else:
                        ready.append(built)
                while ready and self._remote.submit((ready[0],), self._order(ready[0])):
                    ready.popleft()
                room = _AHEAD * self.sessions - len(ready)
                while todo and room > 0 and self._pool.submit(*todo[0]):
                    todo.popleft()
                if not ended and (todo or ready or self._pool.busy or self._remote.busy):
                    wait([*self._pool.lanes, *self._remote.lanes], [self._pool.nursery, self._nursery])
        finally:
            self._pool.cancel()
            self._remote.cancel()

    def remeasure(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        """Build the candidates and time them side by side on one server."""
        builts = sorted(self._pool.build(candidates), key=lambda built: built.index)
        measurements = [built.measurement() for built in builts]
        usable = tuple(built for built in builts if built.kernel is not None)
        if usable:
            waiting: deque[Built] = deque()
            order = self._order(*usable, interleaved=True)
            found: dict[int, Measurement] = {}
            try:
                found.update(self._poll(waiting))
                while not self._remote.submit(usable, order):
                    wait(self._remote.lanes, [self._nursery])
                    found.update(self._poll(waiting))
                while self._remote.busy:
                    wait(self._remote.lanes, [self._nursery])
                    found.update(self._poll(waiting))
            finally:
                self._remote.cancel()
            for index, measurement in found.items():
                measurements[index] = measurement
        return measurements

    def close(self) -> None:
        """End the sessions and the processes here."""
        self._remote.close()
        self._pool.close()
        if not self._shared:
            self._nurseries.close()

    def _order(self, *builts: Built, interleaved: bool = False) -> Order:
        kernels = tuple(_kernel(built) for built in builts)
        return Order(kernels, tuple(built.candidate for built in builts), self._incumbent, interleaved)

    def _poll(self, ready: deque[Built]) -> list[tuple[int, Measurement]]:
        """The measurements that ended; everything that waits is lost when no session comes up any more."""
        try:
            ended = self._remote.poll()
        except LaneError as error:
            # it never worked, or a server says itself what is wrong: for the user to mend
            if isinstance(error, UnableError) or not self._ever_served:
                raise
            lost = [built for tag in self._remote.cancel() for built in tag] + list(ready)
            ready.clear()
            return [(built.index, _lost(built, str(error))) for built in lost]
        found: list[tuple[int, Measurement]] = []
        for ticket, news in ended:
            self._ever_served = self._ever_served or isinstance(news, Reply)
            if isinstance(news, Reply):
                pairs = zip(ticket.tag, news.value, strict=True)
                found += [
                    (built.index, self._conclude(built, answer, ticket.seconds)) for built, answer in pairs
                ]
            else:
                found += [(built.index, _lost(built, news.reason)) for built in ticket.tag]
        return found

    def _conclude(self, built: Built, answer: Answer, seconds: float) -> Measurement:
        outcome = answer.outcome
        measurement = replace(
            built.measurement(),
            status=outcome.status,
            reason=outcome.reason,
            seconds=outcome.timing.seconds if outcome.timing else None,
            spread=outcome.timing.spread if outcome.timing else None,
            cycles=answer.cycles,
            verified=outcome.verified,
            run_seconds=seconds,
        )
        if measurement.program and measurement.status is not Status.DEVICE_LOST:
            self._programs[measurement.program] = measurement
        if measurement.verified and measurement.seconds is not None:
            self._incumbent = min(measurement.seconds, self._incumbent or measurement.seconds)
        return measurement

    def _seen(self, built: Built) -> Measurement | None:
        before = self._programs.get(_kernel(built).program) if _kernel(built).program else None
        if before is None:
            return None
        return replace(before, build_seconds=built.seconds, run_seconds=0.0)


def _kernel(built: Built) -> Kernel:
    assert built.kernel is not None
    return built.kernel


def _lost(built: Built, reason: str) -> Measurement:
    return replace(built.measurement(), status=Status.DEVICE_LOST, reason=reason)


def _kernel_seconds(limits: Limits) -> float:
    """When a server that does not answer for one kernel is given up: twice all its own limits, in seconds."""
    kernel = 2 * limits.load_seconds + 3 * limits.call_seconds + limits.timing_seconds
    return 2 * (limits.start_seconds + kernel)
