"""The runner for this machine: builds overlap the measuring, and one kernel is timed at a time."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from heron_cli.backends.base import Backend, Kernel
from heron_cli.measure import cpu
from heron_cli.measure.builder import BuildPool, Built
from heron_cli.measure.closing import Closing
from heron_cli.measure.isolated import IsolatedWorker
from heron_cli.measure.lane import wait
from heron_cli.measure.limits import Limits
from heron_cli.measure.nurseries import Nurseries
from heron_cli.measure.timing import TimingOptions
from heron_cli.measure.verify import Reference, References
from heron_cli.measure.worker import Job, Outcome
from heron_cli.trial import Candidate, Measurement, Status

_AHEAD = 4  # kernels that wait for the measuring process, per builder
_KEPT = 64  # kernels kept for a comparison
_REMARK = "same program as an earlier candidate, not run again"


class LocalRunner(Closing):
    """Builds in `jobs` processes and measures in one isolated process on cores of its own.

    `reference` computes the output from the operands by name, with numpy. `incumbent` is the best time so
    far in seconds per call; it decides how long a candidate is timed and is updated by every verified
    measurement. `known` maps digests of programs measured before to their measurement: equal programs are
    not timed again. `nurseries` given are shared with other runners and left open on `close`.
    """

    def __init__(
        self,
        task: Any,
        backend: Backend,
        reference: Reference,
        *,
        jobs: int | None = None,
        threads: int = 1,
        timing: TimingOptions | None = None,
        limits: Limits | None = None,
        seed: int = 0,
        incumbent: float | None = None,
        known: Mapping[str, Measurement] | None = None,
        preload: Sequence[str] = ("tvm",),
        nurseries: Nurseries | None = None,
    ) -> None:
        plan = cpu.plan(threads)
        self.plan = plan
        self._pool = BuildPool(
            backend,
            task,
            jobs=jobs or len(plan.build),
            threads=threads,
            limits=limits,
            preload=preload,
            cores=plan.build,
            nurseries=nurseries,
        )
        self._worker = IsolatedWorker(
            backend,
            threads=threads,
            timing=timing,
            limits=limits,
            cores=plan.measure,
            nurseries=nurseries,
        )
        self._folder = Path(tempfile.mkdtemp(prefix="references-", dir=self._worker.nursery.directory))
        self._references = References(reference, self._folder, seed)
        self.incumbent = incumbent
        self._programs = {
            program: measurement
            for program, measurement in (known or {}).items()
            if measurement.status is not Status.DEVICE_LOST
        }
        self._kernels: dict[Candidate, Built] = {}
        self._active = False
        self._pool.start()
        self._worker.start()

    def run(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, Measurement]]:
        """Build and measure all; see `Runner.run`. Only one iteration may be under way."""
        assert not self._active, "the iteration before this one is neither finished nor closed"
        todo = deque(enumerate(candidates))
        ready: deque[Built] = deque()
        timed: tuple[Built, float] | None = None
        self._active = True
        try:
            while todo or ready or timed or self._pool.busy:
                for built in self._pool.poll():
                    if built.kernel is None:
                        yield built.index, built.measurement()
                    else:
                        ready.append(built)
                while ready and not timed and self._may_time():
                    built = ready.popleft()
                    again = self._seen(built)
                    if again is not None:
                        yield built.index, again
                    else:
                        timed = built, time.monotonic()
                        self._worker.submit(self._job([built], interleaved=False))
                while todo and self._may_build(len(ready), timed is not None) and self._pool.submit(*todo[0]):
                    todo.popleft()
                outcomes = self._worker.poll()
                if timed and outcomes is not None:
                    built, started = timed
                    timed = None
                    yield built.index, self._conclude(built, outcomes[0], time.monotonic() - started)
                elif todo or ready or timed or self._pool.busy:
                    wait([*self._pool.lanes, self._worker.lane], [self._pool.nursery, self._worker.nursery])
        finally:
            self._pool.cancel()
            self._worker.cancel()
            self._active = False

    def remeasure(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        """Time the candidates side by side, one slice of each in turn, with no build going on."""
        builts = self._rebuild(candidates)
        programs: dict[str, Built] = {}
        for built in builts:
            if built.kernel is not None:
                programs.setdefault(built.kernel.program or str(built.index), built)
        outcomes: dict[int, Outcome] = {}
        started = time.monotonic()
        if programs:
            distinct = list(programs.values())
            self._worker.submit(self._job(distinct, interleaved=True))
            try:
                while (found := self._worker.poll()) is None:
                    wait([self._worker.lane], [self._worker.nursery])
            finally:
                self._worker.cancel()
            outcomes = {built.index: outcome for built, outcome in zip(distinct, found, strict=True)}
        seconds = (time.monotonic() - started) / max(1, len(programs))
        measurements = []
        for built in builts:
            measurement = built.measurement()
            if built.kernel is not None:
                timed = programs[built.kernel.program or str(built.index)]
                measurement = _with_outcome(measurement, outcomes[timed.index], seconds)
            measurements.append(measurement)
        return measurements

    def close(self) -> None:
        """End all processes and remove all files."""
        self._pool.close()
        self._worker.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _may_build(self, waiting: int, timing: bool) -> bool:
        if waiting >= _AHEAD * len(self._pool.lanes):
            return False
        return self.plan.overlap or not timing

    def _may_time(self) -> bool:
        """Without cores to spare for the builds, a batch of builds ends before timing begins."""
        return self.plan.overlap or not self._pool.busy

    def _job(self, builts: Sequence[Built], *, interleaved: bool) -> Job:
        kernels = tuple(_kernel(built) for built in builts)
        return Job(kernels, self._references.get(kernels[0].operands), self.incumbent, interleaved)

    def _seen(self, built: Built) -> Measurement | None:
        program = _kernel(built).program
        before = self._programs.get(program) if program else None
        if before is None:
            return None
        reason = _REMARK
        if before.status is not Status.OK:
            reason = f"{before.reason.removesuffix(f' ({_REMARK})')} ({_REMARK})"
        self._keep(built, before)
        return replace(
            built.measurement(),
            status=before.status,
            seconds=before.seconds,
            spread=before.spread,
            cycles=before.cycles,
            verified=before.verified,
            reason=reason,
        )

    def _conclude(self, built: Built, outcome: Outcome, seconds: float) -> Measurement:
        measurement = _with_outcome(built.measurement(), outcome, seconds)
        if measurement.program and measurement.status is not Status.DEVICE_LOST:
            self._programs[measurement.program] = measurement
        self._keep(built, measurement)
        if measurement.verified and measurement.seconds is not None:
            self.incumbent = min(measurement.seconds, self.incumbent or measurement.seconds)
        return measurement

    def _keep(self, built: Built, measurement: Measurement) -> None:
        """Keep kernels that may be compared later: those near the best."""
        if measurement.seconds is not None and measurement.seconds <= 1.2 * (
            self.incumbent or measurement.seconds
        ):
            self._kernels[built.candidate] = built
            while len(self._kernels) > _KEPT:
                del self._kernels[next(iter(self._kernels))]

    def _rebuild(self, candidates: Sequence[Candidate]) -> list[Built]:
        """The kernels of the candidates, built again where they were not kept; indexed by their place."""
        builts = {
            index: replace(self._kernels[candidate], index=index)
            for index, candidate in enumerate(candidates)
            if candidate in self._kernels
        }
        missing = [index for index in range(len(candidates)) if index not in builts]
        for built in self._pool.build([candidates[index] for index in missing]):
            index = missing[built.index]
            builts[index] = replace(built, index=index)
        return [builts[index] for index in range(len(candidates))]


def _kernel(built: Built) -> Kernel:
    assert built.kernel is not None
    return built.kernel


def _with_outcome(measurement: Measurement, outcome: Outcome, seconds: float) -> Measurement:
    return replace(
        measurement,
        status=outcome.status,
        reason=outcome.reason,
        seconds=outcome.timing.seconds if outcome.timing else None,
        spread=outcome.timing.spread if outcome.timing else None,
        verified=outcome.verified,
        run_seconds=seconds,
    )
