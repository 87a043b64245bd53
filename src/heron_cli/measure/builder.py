"""The build pool: processes that turn candidates into kernels, ahead of the measuring."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from heron_cli.backends.base import Backend, BuildError, Kernel
from heron_cli.measure.channel import Channel
from heron_cli.measure.child import Place
from heron_cli.measure.desk import Desk
from heron_cli.measure.lane import Failure, Lane, Reply, wait
from heron_cli.measure.lane_pool import LanePool, Ticket
from heron_cli.measure.limits import Limits
from heron_cli.measure.nurseries import Nurseries
from heron_cli.measure.text import of_exception, one_line
from heron_cli.trial import Candidate, Measurement, Status

_ENTRY = "heron_cli.measure.builder:serve"


@dataclass(frozen=True, slots=True)
class Built:
    """What came of a build: a kernel, or a status with its reason. `seconds` is the time it took."""

    index: int
    candidate: Candidate
    seconds: float
    kernel: Kernel | None = None
    status: Status = Status.OK
    reason: str = ""

    def measurement(self) -> Measurement:
        """The build alone as a measurement: without a time."""
        return Measurement(
            status=self.status,
            reason=self.reason,
            build_seconds=self.seconds,
            program=self.kernel.program if self.kernel else "",
            metrics=dict(self.kernel.metrics) if self.kernel else {},
        )


@dataclass(frozen=True, slots=True)
class _Setup:
    backend: Backend
    task: Any
    threads: int
    limits: Limits


class BuildPool:
    """`jobs` processes that build; each candidate has its own deadline, counted from its start.

    A process that crashes, hangs or runs out of memory costs the candidate that it was building. When the
    candidate may not be at fault it is tried once more, in a new process. `preload` names the modules that
    are imported once, before forking. `nurseries` given are left open on `close`.
    """

    def __init__(
        self,
        backend: Backend,
        task: Any,
        *,
        jobs: int,
        threads: int = 1,
        limits: Limits | None = None,
        preload: Sequence[str] = ("tvm",),
        cores: Sequence[int] = (),
        nurseries: Nurseries | None = None,
    ) -> None:
        limits = limits or Limits()
        self._nurseries = nurseries or Nurseries()
        self._shared = nurseries is not None
        self.nursery = self._nurseries.get("heron_cli.measure.builder", type(backend).__module__, *preload)
        place = Place(tuple(cores), limits.memory_bytes, nice=5, output_bytes=limits.output_bytes)
        setup = _Setup(backend, task, threads, limits)
        lanes = [Lane(self.nursery, _ENTRY, setup, place, limits, "a builder process") for _ in range(jobs)]
        self._pool: LanePool[tuple[int, Candidate]] = LanePool(lanes)
        self.lanes = self._pool.lanes

    @property
    def busy(self) -> bool:
        """Whether any build is under way or has to be repeated."""
        return self._pool.busy

    def submit(self, index: int, candidate: Candidate) -> bool:
        """Start a build if a process is free; False if none is. `index` comes back with the result."""
        return self._pool.submit((index, candidate), candidate)

    def poll(self) -> list[Built]:
        """The builds that ended."""
        return [_built(ticket, news) for ticket, news in self._pool.poll()]

    def build(self, candidates: Sequence[Candidate]) -> Iterator[Built]:
        """Build all of them, yielding in the order in which they end."""
        todo = list(enumerate(candidates))[::-1]
        try:
            while True:
                yield from self.poll()
                while todo and self.submit(*todo[-1]):
                    todo.pop()
                if not (todo or self.busy):
                    return
                wait(self.lanes, [self.nursery])
        finally:
            self.cancel()

    def start(self) -> None:
        """Begin to start the processes, so that they are up when the first candidate comes."""
        self._pool.start()

    def cancel(self) -> None:
        """Forget the builds under way."""
        self._pool.cancel()

    def close(self) -> None:
        """End the processes."""
        self._pool.close()
        if not self._shared:
            self._nurseries.close()


def _built(ticket: Ticket[tuple[int, Candidate]], news: Reply | Failure) -> Built:
    index, candidate = ticket.tag
    if isinstance(news, Reply):
        kernel, reason, seconds = news.value
        status = Status.OK if kernel is not None else Status.BUILD_ERROR
        return Built(index, candidate, seconds, kernel, status, reason)
    status = Status.TIMEOUT if news.timeout else Status.BUILD_ERROR
    return Built(index, candidate, ticket.seconds, None, status, news.reason)


def serve(channel: Channel) -> None:
    """The life of a builder process."""
    desk = Desk(channel)
    try:
        setup: _Setup = desk.setup()
    except Exception as error:  # whatever unpickling the task or its back end raises
        desk.unable(error)
        return
    desk.ready()
    for candidate in desk.jobs():
        desk.phase("the build", setup.limits.build_seconds)
        started = time.perf_counter()
        kernel, reason = None, ""
        try:
            kernel = setup.backend.build(setup.task, candidate, threads=setup.threads)
        except BuildError as error:
            reason = one_line(str(error)) or "rejected without a reason"
        except MemoryError:
            reason = f"out of memory (limit {setup.limits.memory_bytes >> 20} MiB)"
        except Exception as error:  # a compiler's internal check; costs this candidate, not the run
            reason = f"internal error of the code generator: {of_exception(error)}"
        desk.reply((kernel, reason, time.perf_counter() - started))
