"""The runner that measures nothing: for machines that cannot run what they build."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from heron_cli.backends.base import Backend
from heron_cli.measure import cpu
from heron_cli.measure.builder import BuildPool
from heron_cli.measure.closing import Closing
from heron_cli.measure.limits import Limits
from heron_cli.trial import Candidate, Measurement


class BuildOnlyRunner(Closing):
    """Builds every candidate. A measurement that is ok has metrics and a program but no time."""

    def __init__(
        self,
        task: Any,
        backend: Backend,
        *,
        jobs: int | None = None,
        threads: int = 1,
        limits: Limits | None = None,
        preload: Sequence[str] = ("tvm",),
    ) -> None:
        cores = cpu.plan(1)
        jobs = jobs or len({*cores.measure, *cores.build})
        self._pool = BuildPool(backend, task, jobs=jobs, threads=threads, limits=limits, preload=preload)

    def run(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, Measurement]]:
        """Build all, yielding in the order in which they end."""
        for built in self._pool.build(candidates):
            yield built.index, built.measurement()

    def remeasure(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        """Build all; there is nothing to compare."""
        return [measurement for _, measurement in sorted(self.run(candidates), key=lambda pair: pair[0])]

    def close(self) -> None:
        """End the processes."""
        self._pool.close()
