"""The runner for machines that exist as a model: cycles instead of seconds, results from a simulator.

Nothing here depends on the clock or on other processes, so equal candidates give equal measurements.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from heron_cli.backends.base import BuildError, Kernel, Operand, SimulatedBackend
from heron_cli.measure.closing import Closing
from heron_cli.measure.verify import Array, Reference, compare, expected_arrays
from heron_cli.operators.expected import Expected
from heron_cli.trial import Candidate, Measurement, Status


class SimulatedRunner(Closing):
    """Builds candidates in this process and takes their modelled cycles.

    A candidate that would become the best is executed by the simulator and compared with the reference
    first; `incumbent` is the best so far, in cycles.
    """

    def __init__(
        self,
        task: Any,
        backend: SimulatedBackend,
        reference: Reference,
        *,
        seed: int = 0,
        incumbent: float | None = None,
    ) -> None:
        self._task, self._backend, self._best = task, backend, incumbent
        self._reference, self._seed = reference, seed
        self._known: dict[tuple[Operand, ...], tuple[dict[str, Array], Expected]] = {}

    def run(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, Measurement]]:
        """Measure each candidate in order."""
        for index, candidate in enumerate(candidates):
            yield index, self._measure(candidate, always=False)

    def remeasure(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        """The same cycles again, each verified."""
        return [self._measure(candidate, always=True) for candidate in candidates]

    def close(self) -> None:
        """Nothing to release: the references are in memory, so that no file is left when a run is killed."""

    def _measure(self, candidate: Candidate, *, always: bool) -> Measurement:
        begin = time.perf_counter()
        try:
            kernel = self._backend.build(self._task, candidate, threads=1)
        except BuildError as error:
            return Measurement(Status.BUILD_ERROR, reason=str(error))
        built = time.perf_counter()
        cycles = int(kernel.metrics["cycles"])
        better = self._best is None or cycles < self._best
        wrong = self._wrong(candidate, kernel) if better or always else None
        spent: Mapping[str, Any] = {
            "build_seconds": built - begin,
            "run_seconds": time.perf_counter() - built,
            "program": kernel.program,
            "metrics": kernel.metrics,
        }
        if wrong:
            return Measurement(Status.WRONG_RESULT, reason=wrong, **spent)
        if wrong is not None:
            self._best = cycles if self._best is None else min(cycles, self._best)
        return Measurement(Status.OK, cycles=cycles, verified=wrong is not None, **spent)

    def _wrong(self, candidate: Candidate, kernel: Kernel) -> str:
        """What is wrong with the simulated output; empty if nothing."""
        if kernel.operands not in self._known:
            found = expected_arrays(self._reference, kernel.operands, self._seed)
            self._known[kernel.operands] = found
        arrays, expected = self._known[kernel.operands]
        try:
            output = self._backend.simulate(self._task, candidate, kernel, arrays)
        except BuildError as error:
            return str(error)
        return compare(output, expected)
