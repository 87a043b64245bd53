"""The tuner's side of measuring: hands kernels to a process that may die of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from heron_cli.backends.base import Backend
from heron_cli.measure.child import Place
from heron_cli.measure.lane import Failure, Lane, LaneError, Reply, UnableError
from heron_cli.measure.limits import Limits
from heron_cli.measure.nurseries import Nurseries
from heron_cli.measure.timing import TimingOptions, timing_of
from heron_cli.measure.worker import Job, Outcome, WorkerSetup
from heron_cli.trial import Status

_ENTRY = "heron_cli.measure.worker:serve"


class IsolatedWorker:
    """One measuring process at a time, alive between jobs, replaced after any fault.

    A kernel in a process that served others before gets a second try in a new one when it crashes, since
    an earlier kernel may have damaged that process.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        threads: int = 1,
        timing: TimingOptions | None = None,
        limits: Limits | None = None,
        cores: Sequence[int] = (),
        nurseries: Nurseries | None = None,
    ) -> None:
        """`nurseries` given are left open on `close`."""
        self._limits = limits or Limits()
        self._nurseries = nurseries or Nurseries()
        self._shared = nurseries is not None
        self.nursery = self._nurseries.get("heron_cli.measure.worker", type(backend).__module__)
        place = Place(tuple(cores), self._limits.memory_bytes, output_bytes=self._limits.output_bytes)
        setup = WorkerSetup(backend, threads, timing or timing_of(backend), self._limits)
        self.lane = Lane(self.nursery, _ENTRY, setup, place, self._limits, "the measuring process")
        self._job: Job | None = None
        self._open: list[int] = []  # the kernels of the job without an outcome yet
        self._retried: set[int] = set()
        self._outcomes: dict[int, Outcome] = {}
        self._kernels_seen = 0
        self._ever_served = False

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self._job is not None

    def submit(self, job: Job) -> None:
        """Hand over a job; one at a time."""
        assert self._job is None
        self._job = job
        self._open = list(range(len(job.kernels)))
        self._retried = set()
        self._outcomes = {}
        self._dispatch()

    def poll(self) -> list[Outcome] | None:
        """The outcome of every kernel of the job, once all are known."""
        try:
            self._take(self.lane.poll())
            self._dispatch()
        except LaneError as error:
            # it never worked, or says itself what to mend: not a device that went away
            if isinstance(error, UnableError) or not self._ever_served:
                raise
            for index in self._open:
                self._outcomes[index] = Outcome(Status.DEVICE_LOST, str(error))
            self._open = []
        if self._job is None or self._open:
            return None
        self._job = None
        return [self._outcomes[index] for index in sorted(self._outcomes)]

    def start(self) -> None:
        """Begin to start the process, so that it is up when the first kernel comes."""
        self.lane.ready()

    def cancel(self) -> None:
        """Forget the job under way."""
        self.lane.cancel()
        self._job = None

    def close(self) -> None:
        """End the process."""
        self.cancel()
        self.lane.close()
        if not self._shared:
            self._nurseries.close()

    def _dispatch(self) -> None:
        if self._job is None or not self._open or self.lane.busy or not self.lane.ready():
            return
        kernels = tuple(self._job.kernels[index] for index in self._open)
        self._kernels_seen += len(kernels)
        self.lane.submit(replace(self._job, kernels=kernels))

    def _take(self, news: Reply | Failure | None) -> None:
        if isinstance(news, Reply):
            self._ever_served = True
            outcomes: list[Outcome] = news.value
            self._outcomes.update(zip(self._open, outcomes, strict=True))
            self._open = []
            faulty = any(outcome.status is not Status.OK for outcome in outcomes)
            if faulty or self._kernels_seen >= self._limits.kernels_per_worker:
                self._kernels_seen = 0
                self.lane.retire()
        elif news is not None:
            self._ever_served = True
            self._kernels_seen = 0
            guilty = self._open[news.detail]
            if news.blameless and guilty not in self._retried:
                self._retried.add(guilty)
                return
            status = Status.TIMEOUT if news.timeout else Status.RUN_ERROR
            self._outcomes[guilty] = Outcome(status, news.reason)
            self._open.remove(guilty)
