"""What was built and not run: ranked by the analytic model, with what the compiler says of each kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .spaces import bare_spaces

if TYPE_CHECKING:
    from heron_cli.records import Record
    from heron_cli.schedule.task import Task
    from heron_cli.trial import Candidate


@dataclass(frozen=True, slots=True)
class BuiltKernel:
    """A candidate that builds.

    `estimate` is the analytic model's, in cycles; None where the accelerator has no such model.
    `metrics` are the compiler's; `instructions` None where nothing here can take the kernel apart.
    """

    candidate: Candidate
    estimate: float | None
    metrics: Mapping[str, float]
    instructions: Mapping[str, int] | None = None


def ranked(task: Task, records: Sequence[Record], count: int) -> list[BuiltKernel]:
    """The `count` candidates that the model thinks fastest, of those that built; they are built once more
    to be taken apart.
    """
    from heron_cli.backends import registry
    from heron_cli.backends.base import Disassembling
    from heron_cli.trial import Status

    spaces = {space.name: space for space in bare_spaces(task)}
    found = []
    for record in records:
        trial = record.trial
        if trial.measurement.status is not Status.OK:
            continue
        space = spaces[trial.candidate.variant]
        estimate = None
        if space.estimate is not None:
            estimate = float(space.base(space.rows([trial.candidate.values]))[0])
        found.append(BuiltKernel(trial.candidate, estimate, trial.measurement.metrics))
    found.sort(key=lambda each: float("inf") if each.estimate is None else each.estimate)
    backend, best = registry.get(task.accelerator.backend), found[:count]
    if not isinstance(backend, Disassembling):
        return best
    for place, each in enumerate(best):
        counted = backend.instructions(backend.build(task, each.candidate, threads=task.threads))
        if counted is None:
            break  # nor can any other be taken apart here
        best[place] = replace(each, instructions=counted)
    return best
