"""The bound that no kernel for a workload is below, on machines whose time is measured.

A roofline (Williams, Waterman and Patterson, CACM 52(4), 2009) of what every program has to do
(`schedule/work.py`) on a machine at its peak: products over the rate of products, and bytes beyond what
caches hold over the bandwidth of the memory behind them, whichever takes longer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from heron_cli.errors import InputError
from heron_cli.search.bound import Bound

from .settings import RunnerKind, Settings

if TYPE_CHECKING:
    from heron_cli.backends.base import Peak
    from heron_cli.schedule.task import Task
    from heron_cli.schedule.work import Work
    from heron_cli.search.problem import PlainProblem


def with_machine_bound(problem: PlainProblem, task: Task, settings: Settings) -> PlainProblem:
    """The problem, bounded by this machine where no model bounds it.

    Raises InputError when `settings.gap` asks for a bound and none is known.
    """
    if problem.bound is not None:
        return problem

    def again() -> Bound | None:
        renewed = machine_bound(task, settings)
        return renewed if isinstance(renewed, Bound) else None

    found = machine_bound(task, settings)
    if isinstance(found, Bound):
        return replace(problem, bound=found, measure_bound=again)
    if settings.gap is not None:
        where = f"{task.workload.name} on {task.accelerator.name}"
        raise InputError(f"--stop-at-gap: no bound is known for {where}: {found}")
    return problem


def machine_bound(task: Task, settings: Settings) -> Bound | str:
    """The bound in seconds on this machine, or one line of why none is known."""
    from heron_cli.backends import registry
    from heron_cli.backends.base import Peaked
    from heron_cli.doctor import obstacles
    from heron_cli.measure.cpu import plan
    from heron_cli.schedule.work import work

    backend = registry.get(task.accelerator.backend)
    if not isinstance(backend, Peaked):
        return "the roofline needs a level that fills memories, and limits.bus_bytes"
    if settings.runner is not RunnerKind.LOCAL:
        return f"the peak is known of this machine alone, and runner {settings.runner} takes no times here"
    if missing := obstacles(task.accelerator):
        return missing[0]
    least = work(task.einsum)
    if least is None:
        return "there are too many iterations to count what is padding"
    peak = backend.peak(task, plan(task.threads).measure)
    return peak if isinstance(peak, str) else roof(least, peak)


def roof(least: Work, peak: Peak) -> Bound:
    """The seconds that so much work takes at least."""
    computing = Bound(least.products / peak.products, f"{peak.source} peak")
    if peak.bandwidth is None:
        return computing
    moving = Bound(max(0, least.bytes - peak.cached) / peak.bandwidth, f"{peak.source} bandwidth")
    return max(computing, moving, key=lambda bound: bound.cost)
