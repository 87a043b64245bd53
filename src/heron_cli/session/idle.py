"""What an accelerator's file says without effect on some workloads; each finding is proven by the solver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from heron_cli.errors import Origin

if TYPE_CHECKING:
    from heron_cli.schedule.task import Task
    from heron_cli.space import Space

# Knobs that choose from what the file lists; the others count iterations, which depend on the shape alone.
_LISTED = {"copies.": "memories.{}.copies", "order.": "levels.{}.order", "place.": "stages.{}.at"}


def idle(tasks: Sequence[Task]) -> list[tuple[Origin, str]]:
    """Constraints of the file that remove nothing from any of the tasks' spaces, and listed choices that no
    candidate of any of them can take; in the order of the file. The tasks share one accelerator.
    """
    from heron_cli.space.dead import implied

    spaces = [variant.space for task in tasks for variant in task.variants]
    places = {
        constraint.label: constraint.origin
        for space in spaces
        for constraint in space.constraints
        if isinstance(constraint.origin, Origin)
    }
    active: set[str] = set()
    for space in spaces:
        mine = {constraint.label for constraint in space.constraints}
        asked = [label for label in places if label in mine and label not in active]
        active |= set(asked) - set(implied(space, asked))
    many = f"the {len(tasks)} workloads" if len(tasks) != 1 else tasks[0].workload.name
    found = [
        (origin, f"{label}: removes nothing from {many}: the other rules imply it")
        for label, origin in places.items()
        if label not in active
    ]
    machine = tasks[0].accelerator
    for name, values in _unused(spaces).items():
        kind = next(prefix for prefix in _LISTED if name.startswith(prefix))
        where = machine.where(_LISTED[kind].format(name.removeprefix(kind)))
        listed = ", ".join(map(str, values))
        found.append((where, f"{name}: no candidate of {many} can take {listed}"))
    return sorted(found, key=lambda item: (item[0], item[1]))


def _unused(spaces: Sequence[Space]) -> dict[str, list[int]]:
    """Values of listed knobs that are in no space with that knob, by knob."""
    from heron_cli.space.dead import unused_values

    idle: dict[str, set[int]] = {}
    for space in spaces:
        asked = [name for name in space.names if name.startswith(tuple(_LISTED))]
        unused = unused_values(space, asked)
        for name in asked:
            mine = set(unused.get(name, ()))
            idle[name] = idle[name] & mine if name in idle else mine
    return {name: sorted(values) for name, values in idle.items() if values}
