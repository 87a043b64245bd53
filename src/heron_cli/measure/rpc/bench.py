"""The server's side of a session: kernels that came over the wire are verified and timed here.

Native kernels go to the same isolated worker as on the tuner's machine, so that one that crashes or hangs
costs itself and not the server; programs of modelled machines are simulated.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from heron_cli.backends.base import Backend, BuildError, SimulatedBackend
from heron_cli.errors import InputError
from heron_cli.measure import cpu
from heron_cli.measure.isolated import IsolatedWorker
from heron_cli.measure.lane import wait
from heron_cli.measure.rpc.wire import Answer, Opening, Order
from heron_cli.measure.verify import References, compare, expected_arrays
from heron_cli.measure.worker import Job, Outcome
from heron_cli.trial import Status

if TYPE_CHECKING:
    from heron_cli.accelerator.model import Accelerator
    from heron_cli.operators.workload import Workload


class Bench(Protocol):
    """Measures what a session sends."""

    def measure(self, order: Order) -> list[Answer]:
        """What became of each kernel, in order. Raises HeronError when measuring is impossible."""

    def close(self) -> None:
        """Release processes and files."""


def open_bench(opening: Opening, accelerator: Accelerator) -> Bench:
    """The bench for a session on this machine, which is `accelerator`.

    Raises InputError when the tuner means another accelerator or another description of it.
    """
    from heron_cli.backends import registry
    from heron_cli.operators.workload import make

    if (opening.target, opening.digest) != (accelerator.name, accelerator.digest):
        raise InputError(
            f"this server is for {accelerator.name} ({accelerator.digest[:12]}), "
            f"the tuner asks for {opening.target} ({opening.digest[:12]})"
        )
    definition = opening.definition
    steps = {name: (value, "the tuner") for name, value in definition.get("epilogue", {}).items()}
    workload = make(
        definition["operator"],
        definition["shape"],
        dtypes=definition["dtypes"],
        epilogue=steps,
        where="the tuner",
    )
    backend = registry.get(accelerator.backend)
    if isinstance(backend, SimulatedBackend):
        return _SimulatedBench(opening, accelerator, backend, workload)
    return _NativeBench(opening, backend, workload)


class _NativeBench:
    def __init__(self, opening: Opening, backend: Backend, workload: Workload) -> None:
        from heron_cli.operators.expected import Reference

        plan = cpu.plan(opening.threads)
        self._worker = IsolatedWorker(
            backend,
            threads=opening.threads,
            timing=opening.timing,
            limits=opening.limits,
            cores=plan.measure,
        )
        self._folder = Path(tempfile.mkdtemp(prefix="references-", dir=self._worker.nursery.directory))
        self._references = References(Reference(workload), self._folder, opening.seed)

    def measure(self, order: Order) -> list[Answer]:
        files = self._references.get(order.kernels[0].operands)
        self._worker.submit(Job(order.kernels, files, order.incumbent, order.interleaved))
        try:
            while (found := self._worker.poll()) is None:
                wait([self._worker.lane], [self._worker.nursery])
        finally:
            self._worker.cancel()
        return [Answer(outcome) for outcome in found]

    def close(self) -> None:
        self._worker.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class _SimulatedBench:
    """As a board would, it runs every program that it is sent and compares the result."""

    def __init__(
        self, opening: Opening, accelerator: Accelerator, backend: SimulatedBackend, workload: Workload
    ) -> None:
        from heron_cli.operators.expected import Reference
        from heron_cli.schedule.task import Task

        self._backend, self._seed = backend, opening.seed
        self._task = Task(workload, accelerator, opening.threads)
        self._reference = Reference(workload)
        self._known: dict[Any, Any] = {}

    def measure(self, order: Order) -> list[Answer]:
        pairs = zip(order.kernels, order.candidates, strict=True)
        return [self._one(kernel, candidate) for kernel, candidate in pairs]

    def close(self) -> None:
        self._known.clear()

    def _one(self, kernel: Any, candidate: Any) -> Answer:
        operands = tuple(kernel.operands)
        if operands not in self._known:
            self._known[operands] = expected_arrays(self._reference, operands, self._seed)
        arrays, expected = self._known[operands]
        try:
            output = self._backend.simulate(self._task, candidate, kernel, arrays)
        except BuildError as error:
            return Answer(Outcome(Status.RUN_ERROR, str(error)))
        wrong = compare(output, expected)
        if wrong:
            return Answer(Outcome(Status.WRONG_RESULT, wrong))
        return Answer(Outcome(Status.OK), int(kernel.metrics["cycles"]))
