"""Searches of spaces that are measured: the methods' own rounds, each point measured once for all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from benchmarks.exploration.points import Points
from heron_cli import session
from heron_cli.search.driver import BATCH
from heron_cli.search.prior import Prior
from heron_cli.search.problem import Problem
from heron_cli.search.protocol import get_method
from heron_cli.session import Settings
from heron_cli.trial import Candidate, Measurement, Status, Trial

if TYPE_CHECKING:
    from heron_cli.schedule.task import Task

Ask = Callable[[Sequence[Candidate]], list[Measurement]]


class TimeUpError(Exception):
    """The time of the benchmark is over; what was measured is kept."""


@dataclass(frozen=True)
class MeasuredBed:
    """A workload on an accelerator of this machine."""

    name: str
    operator: str
    shape: Mapping[str, Any]
    target: str = "dlboost"

    @cached_property
    def task(self) -> Task:
        """The workload's task on one thread, with the types that the accelerator multiplies."""
        from heron_cli.accelerator.loader import load
        from heron_cli.operators.workload import make
        from heron_cli.session.chosen import native_types

        machine = load(self.target)
        workload = make(self.operator, self.shape, dtypes=native_types(machine))
        return session.make_task(workload, machine)

    @property
    def key(self) -> str:
        """The space in `Points`: points of another accelerator file are of another space."""
        return f"{self.task.workload.key} on {self.target} {self.task.accelerator.digest[:16]}"

    def problem(self, prior: Prior | None = None) -> Problem:
        """What is searched, told what other shapes taught."""
        return session.problem(self.task, Settings(transfer=False), prior)


def search(problem: Problem, method: str, seed: int, trials: int, ask: Ask) -> list[Trial]:
    """One search in the driver's rounds, as `heron tune --method` makes them."""
    proposer, history, number = get_method(method)(problem, seed), list[Trial](), 0
    while len(history) < trials and (batch := proposer.propose(BATCH, history, number)):
        history += map(Trial, batch, ask(batch))
        number += 1
    return history[:trials]


class Asker:
    """Measures what no process has measured yet, and waits for what another is measuring.

    `runner`: as `measure.protocol.Runner`. Raises TimeUpError when `until`, of time.monotonic, is over, and
    RuntimeError when the device is lost.
    """

    def __init__(self, points: Points, space: str, runner: Any, until: float) -> None:
        self._points, self._space, self._runner, self._until = points, space, runner, until

    def __call__(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        """A measurement for each."""
        points, space = self._points, self._space
        found = {each: known for each in candidates if (known := points.known(space, each)) is not None}
        try:
            mine = [each for each in candidates if each not in found and points.claim(space, each)]
            self._measure(mine, found)
            for each in candidates:
                if each not in found and (answer := points.wait(space, each, self._until)) is not None:
                    found[each] = answer
                elif each not in found:  # its owner ended, and it is this process's now
                    self._measure([each], found)
        finally:
            points.release(space)
        return [found[each] for each in candidates]

    def _measure(self, mine: Sequence[Candidate], found: dict[Candidate, Measurement]) -> None:
        if mine and time.monotonic() > self._until:
            raise TimeUpError
        with closing(self._runner.run(mine)) as results:
            for index, measurement in results:
                if measurement.status is Status.DEVICE_LOST:
                    raise RuntimeError(f"{space_of(self._space)}: {measurement.reason}")
                self._points.put(self._space, mine[index], measurement)
                found[mine[index]] = replace(
                    measurement, verified=measurement.status is Status.OK, metrics={}, program=""
                )
                if time.monotonic() > self._until and len(found) < len(mine):
                    raise TimeUpError


def space_of(key: str) -> str:
    """The workload's part of a key."""
    return key.partition(" on ")[0]


class Recorded:
    """Answers from recorded points alone; what they do not hold is device-lost, as in heron's replay."""

    def __init__(self, points: Mapping[Candidate, Measurement]) -> None:
        self._points = points

    def __call__(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        """A measurement for each."""
        return [self._points.get(each, _UNKNOWN) for each in candidates]


_UNKNOWN = Measurement(Status.DEVICE_LOST, reason="the recorded table has no such point")
