"""What runs on the nodes of a Ray cluster: builds as tasks, measurements as the methods of actors."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from heron_cli.backends.base import Backend, BuildError, Kernel
from heron_cli.errors import HeronError
from heron_cli.measure.rpc.bench import open_bench
from heron_cli.measure.rpc.wire import Answer, Opening, Order
from heron_cli.measure.text import of_exception, one_line
from heron_cli.trial import Candidate, Status


@dataclass(frozen=True, slots=True)
class Made:
    """A build: a kernel, or why there is none."""

    kernel: Kernel | None
    reason: str
    seconds: float


_tasks: dict[tuple[str, str, int], Any] = {}  # the one that this process builds for


def _kept(task: Any) -> Any:
    """The task with what it has worked out before: Ray unpickles a bare one for every call."""
    key = (task.workload.key, task.accelerator.digest, task.threads)
    if key not in _tasks:
        _tasks.clear()
        _tasks[key] = task
    return _tasks[key]


def build(task: Any, backend: Backend, candidate: Candidate, threads: int) -> Made:
    """Build one candidate; whatever its code generator raises costs the candidate alone."""
    started = time.perf_counter()
    try:
        kernel = backend.build(_kept(task), candidate, threads=threads)
    except BuildError as error:
        return Made(None, one_line(str(error)) or "rejected without a reason", time.perf_counter() - started)
    except Exception as error:  # a compiler's internal check
        reason = f"internal error of the code generator: {of_exception(error)}"
        return Made(None, reason, time.perf_counter() - started)
    return Made(kernel, "", time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class Measured:
    """A measurement on a station; `answer` is None where there was no kernel."""

    made: Made
    answer: Answer | None
    seconds: float = 0.0


class Station:
    """One measuring place of the cluster, as a Ray actor."""

    def __init__(self, opening: Opening, accelerator: Any) -> None:
        """Open a bench on this node. Raises HeronError when it cannot measure for the accelerator."""
        from heron_cli.doctor import obstacles

        reasons = obstacles(accelerator)
        if reasons:
            raise HeronError(f"{accelerator.name} cannot be measured on this node: {'; '.join(reasons)}")
        self._bench = open_bench(opening, accelerator)

    def cpu(self) -> str:
        """The processor of this node."""
        from heron_cli.records.versions import cpu_model

        return cpu_model()

    def measure(self, made: Made, candidate: Candidate, incumbent: float | None) -> Measured:
        """Verify and time a kernel that a build task made."""
        if made.kernel is None:
            return Measured(made, None)
        started = time.perf_counter()
        (answer,) = self._bench.measure(Order((made.kernel,), (candidate,), incumbent))
        return Measured(
            Made(_without_code(made.kernel), "", made.seconds), answer, time.perf_counter() - started
        )

    def compare(self, candidates: tuple[Candidate, ...], *made: Made) -> list[Measured]:
        """Time kernels side by side."""
        started = time.perf_counter()
        pairs = [(each.kernel, which) for each, which in zip(made, candidates, strict=True) if each.kernel]
        kernels, chosen = tuple(kernel for kernel, _ in pairs), tuple(which for _, which in pairs)
        answers = iter(self._bench.measure(Order(kernels, chosen, None, True)) if pairs else ())
        seconds = (time.perf_counter() - started) / max(1, len(pairs))
        return [Measured(each, next(answers) if each.kernel else None, seconds) for each in made]


def status_of(measured: Measured) -> Status:
    """The status of the whole: of the build where there is no kernel."""
    return measured.answer.outcome.status if measured.answer else Status.BUILD_ERROR


def _without_code(kernel: Kernel) -> Kernel:
    """What the tuner wants to know of a kernel; its code stays where it was measured."""
    return Kernel(kernel.symbol, kernel.operands, b"", kernel.program, kernel.metrics)
