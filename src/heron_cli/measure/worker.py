"""The measuring process: loads kernels that nobody trusts, checks what they compute, and times them.

It never imports a code generator. Everything that can go wrong short of the process itself becomes an
`Outcome`; the rest (a crash, a hang) is for the lane that watches it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from numpy.typing import NDArray

from heron_cli.backends.base import Backend, Kernel, LoadedKernel
from heron_cli.errors import HeronError
from heron_cli.measure import system
from heron_cli.measure.arena import Guarded
from heron_cli.measure.channel import Channel
from heron_cli.measure.desk import Desk
from heron_cli.measure.limits import Limits
from heron_cli.measure.stopwatch import Stopwatch
from heron_cli.measure.text import of_exception, one_line
from heron_cli.measure.timing import Timing, TimingError, TimingOptions
from heron_cli.measure.verify import ReferenceFiles, Verifier
from heron_cli.trial import Status

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What a measuring process is told when it starts."""

    backend: Backend
    threads: int
    timing: TimingOptions
    limits: Limits


@dataclass(frozen=True, slots=True)
class Job:
    """Kernels of one workload to verify and time: one after the other, or `interleaved` slice by slice."""

    kernels: tuple[Kernel, ...]
    reference: ReferenceFiles
    incumbent: float | None = None
    interleaved: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one kernel of a job. `reason` may also be a remark on a kernel that is ok."""

    status: Status
    reason: str = ""
    timing: Timing | None = None

    @property
    def verified(self) -> bool:
        """Whether its output was compared with the reference and right: before and after the timing."""
        return self.status is Status.OK


class _FaultError(Exception):
    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.outcome = Outcome(status, reason)


@dataclass(frozen=True, slots=True)
class _Prepared:
    loaded: LoadedKernel
    buffers: Sequence[NDArray[Any]]
    keep: object  # memory that the buffers lie in


class Bench:
    """The operands of the workload at hand, and the steps a kernel goes through."""

    def __init__(self, setup: WorkerSetup, desk: Desk) -> None:
        self._setup, self._desk, self._pid = setup, desk, os.getpid()
        self._stopwatch = Stopwatch(setup.timing)
        self._kept: _Prepared | None = None  # what the stopwatch's companion is made of
        self._key = ""
        self._inputs: list[Guarded] = []
        self._verifier: Verifier
        self._output: Guarded

    def run(self, job: Job) -> list[Outcome]:
        """The outcome of every kernel of a job, in order."""
        self._lay_out(job)
        outcomes: list[Outcome | None] = [None] * len(job.kernels)
        ready: dict[int, _Prepared] = {}
        try:
            for index, kernel in enumerate(job.kernels):
                try:
                    ready[index] = self._prepare(index, kernel)
                    if not job.interleaved:
                        outcomes[index] = self._time(index, ready[index], job.incumbent)
                        prepared = ready.pop(index)
                        if prepared is not self._kept:
                            self._guard("the closing", prepared.loaded.close)
                except _FaultError as fault:
                    outcomes[index] = fault.outcome
            if job.interleaved:
                for index, outcome in self._compare(ready).items():
                    outcomes[index] = outcome
        finally:
            for prepared in (each for each in ready.values() if each is not self._kept):
                with suppress(RuntimeError):  # after a fault the device may refuse even this
                    prepared.loaded.close()
        return [outcome for outcome in outcomes if outcome is not None]

    def _lay_out(self, job: Job) -> None:
        if job.reference.key == self._key:
            return
        self._desk.phase("copying the operands", self._setup.limits.load_seconds)
        if self._kept is not None:
            self._kept.loaded.close()
        self._kept = self._stopwatch.companion = None
        inputs, expected = job.reference.load()
        self._verifier = Verifier(expected)
        self._inputs = [Guarded.holding(values) for values in inputs]
        output = job.kernels[0].output
        self._output = Guarded(output.shape, output.dtype)
        self._key = job.reference.key

    def _prepare(self, index: int, kernel: Kernel) -> _Prepared:
        """Load, pack, call once on a poisoned output, and check every element and the surroundings."""
        limits, threads = self._setup.limits, self._setup.threads
        self._desk.phase("loading", limits.load_seconds, index)
        loaded = self._guard("loading", lambda: self._setup.backend.load(kernel, threads=threads))
        buffers: list[NDArray[Any]] = []
        keep: list[Guarded] = []
        for operand, guarded in zip(kernel.operands, (*self._inputs, self._output), strict=True):
            if operand.packed_bytes is None:
                buffers.append(guarded.array)
                continue
            self._desk.phase("packing", limits.call_seconds, index)
            values = guarded.array
            packed = self._guard("packing", lambda values=values: loaded.pack(values))  # type: ignore[misc]
            keep.append(Guarded.holding(packed))
            buffers.append(keep[-1].array)
        self._desk.phase("the first call", limits.call_seconds, index)
        self._output.poison()
        self._guard("the first call", lambda: loaded.call(buffers))
        self._check("")
        return _Prepared(loaded, buffers, keep)

    def _time(self, index: int, prepared: _Prepared, incumbent: float | None) -> Outcome:
        watch, limits = self._stopwatch, self._setup.limits

        def repeat(calls: int) -> float:
            return prepared.loaded.repeat(prepared.buffers, calls)

        def phase(label: str) -> None:
            self._desk.phase(label, limits.timing_seconds, index)

        timing = self._guard("the timing", lambda: watch.time(repeat, incumbent, phase))
        if timing.corrected:  # the companion may have written last
            self._output.poison()
            self._guard("the last call", lambda: prepared.loaded.call(prepared.buffers))
        self._guard("the timing", lambda: prepared.loaded.fetch(prepared.buffers))
        self._check(" after repeated calls")
        if watch.keep(repeat, timing):
            before, self._kept = self._kept, prepared
            if before is not None:
                self._guard("the closing", before.loaded.close)
        else:
            self._guard("the timing", lambda: watch.settle(timing))
        return Outcome(Status.OK, watch.remark(timing), timing)

    def _compare(self, ready: dict[int, _Prepared]) -> dict[int, Outcome]:
        """Time kernels side by side; each is checked again after that."""
        seconds = self._setup.limits.timing_seconds

        def repeat(prepared: _Prepared) -> Callable[[int], float]:
            return lambda calls: prepared.loaded.repeat(prepared.buffers, calls)

        def announce(turn: int) -> None:
            self._desk.phase("the side-by-side timing", seconds, indices[turn])
            os.sched_yield()  # to the runner, which hears of it and may have no other core

        indices, repeats = list(ready), [repeat(each) for each in ready.values()]
        outcomes: dict[int, Outcome] = {}
        try:
            timings = self._guard(
                "the side-by-side timing", lambda: self._stopwatch.compare(repeats, announce)
            )
        except _FaultError as fault:
            return dict.fromkeys(ready, fault.outcome)
        for (index, prepared), timing in zip(ready.items(), timings, strict=True):
            self._desk.phase("the last call", self._setup.limits.call_seconds, index)
            try:
                self._output.poison()
                self._guard("the last call", lambda prepared=prepared: prepared.loaded.call(prepared.buffers))  # type: ignore[misc]
                self._check(" after repeated calls")
                outcomes[index] = Outcome(Status.OK, self._stopwatch.remark(timing), timing)
            except _FaultError as fault:
                outcomes[index] = fault.outcome
        return outcomes

    def _check(self, when: str) -> None:
        if damage := self._output.damage():
            raise _FaultError(Status.WRONG_RESULT, damage + when)
        if wrong := self._verifier.wrong(self._output.array):
            raise _FaultError(Status.WRONG_RESULT, wrong + when)

    def _guard(self, step: str, action: Callable[[], T]) -> T:
        """Do a step that runs foreign code; turns what it raises into a fault."""
        try:
            result = action()
        except HeronError:  # the machine lacks something, a linker say: not the kernel's fault
            raise
        except MemoryError:
            limit = self._setup.limits.memory_bytes >> 20
            raise _FaultError(Status.RUN_ERROR, f"out of memory in {step} (limit {limit} MiB)") from None
        except (RuntimeError, TimingError) as error:
            raise _FaultError(Status.RUN_ERROR, f"{one_line(str(error))} in {step}") from error
        except Exception as error:  # loaders and kernels are plug-ins; one trial is what they may cost
            raise _FaultError(Status.RUN_ERROR, f"{of_exception(error)} in {step}") from error
        finally:
            if os.getpid() != self._pid:  # the kernel forked and this is the copy
                os._exit(0)
        if _left_process():
            raise _FaultError(Status.RUN_ERROR, f"started another process in {step}")
        return result


def _left_process() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def serve(channel: Channel) -> None:
    """The life of a measuring process."""
    system.adopt_orphans()
    desk = Desk(channel)
    try:
        setup: WorkerSetup = desk.setup()
    except Exception as error:  # whatever unpickling a back end raises
        desk.unable(error)
        return
    bench = Bench(setup, desk)
    desk.ready()
    for job in desk.jobs():
        try:
            desk.reply(bench.run(job))
        except HeronError as error:
            desk.unable(error)
            return
