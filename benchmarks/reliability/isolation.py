"""What the isolation of a trial costs: the same kernel measured in this process and in the isolated one.

In blocks, in this process before and after: a bench refuses kernels in a process that has children.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.reliability import fakes
from heron_cli.backends.base import Kernel
from heron_cli.measure.isolated import IsolatedWorker
from heron_cli.measure.lane import wait
from heron_cli.measure.limits import Limits
from heron_cli.measure.timing import TimingOptions
from heron_cli.measure.verify import References
from heron_cli.measure.worker import Bench, Job, WorkerSetup
from heron_cli.trial import Status

_TIMING = TimingOptions(
    warmup_seconds=0.001,
    slice_seconds=0.001,
    floor_seconds=0.007,
    close_floor_seconds=0.007,
    most_seconds=0.007,
)


class _NoDesk:
    """Where a process that measures for itself reports."""

    def phase(self, label: str, seconds: float, detail: int = 0) -> None:
        """Nobody watches."""


def run(trials: int) -> dict[str, Any]:
    """Seconds per trial in both places, `trials` of each, and what a fault adds."""
    from measure_fakes import OPERANDS, FakeBackend, reference

    with tempfile.TemporaryDirectory() as folder:
        backend = FakeBackend(fakes.library(Path(folder)))
        references = References(reference, Path(folder))
        files = references.get(OPERANDS)
        here = Bench(WorkerSetup(backend, 1, _TIMING, Limits()), _NoDesk())  # type: ignore[arg-type]

        def isolated(name: str) -> float:
            began = time.perf_counter()
            worker.submit(Job((Kernel(name, OPERANDS, b"", name),), files))
            while (found := worker.poll()) is None:
                wait([worker.lane], [worker.nursery])
            assert found[0].status is (Status.OK if name == "good" else Status.RUN_ERROR)
            return time.perf_counter() - began

        def inside() -> float:
            began = time.perf_counter()
            (found,) = here.run(Job((Kernel("good", OPERANDS, b"", "good"),), files))
            assert found.status is Status.OK
            return time.perf_counter() - began

        inside()  # the first one lays the operands out
        together = [inside() for _ in range(trials // 2)]
        worker = IsolatedWorker(backend, timing=_TIMING, limits=Limits())
        try:
            isolated("good")
            apart = [isolated("good") for _ in range(trials)]
            after_fault = []
            for _ in range(max(5, trials // 10)):
                isolated("segfaults")
                after_fault.append(isolated("good"))
        finally:
            worker.close()
        together += [inside() for _ in range(trials - trials // 2)]
    return {
        "trials": trials,
        "isolated, median ms": 1e3 * median(apart),
        "in process, median ms": 1e3 * median(together),
        "overhead, ms": 1e3 * (median(apart) - median(together)),
        "isolated, fastest tenth ms": 1e3 * _fast(apart),
        "in process, fastest tenth ms": 1e3 * _fast(together),
        "overhead of the fastest tenths, ms": 1e3 * (_fast(apart) - _fast(together)),
        "a trial after a crash (a new process), median ms": 1e3 * median(after_fault),
    }


def _fast(seconds: list[float]) -> float:
    """The first decile: what other work on the machine disturbs least."""
    return quantiles(seconds, n=10)[0]
