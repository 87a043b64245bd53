"""What an accelerator's file says without effect on some workloads; each finding is proven by the solver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from heron_cli.errors import Origin

if TYPE_CHECKING:
    from heron_cli.schedule.task import Task, Variant
    from heron_cli.schedule.template import Template

# Knobs that choose from what the file lists; the others count iterations, which depend on the shape alone.
_LISTED = {
    "copies": "memories.{}.copies",
    "depth": "levels.{}.pipeline.depth",
    "order": "levels.{}.order",
    "place": "stages.{}.at",
    "prefetch": "prefetch.{}",
    "resident": "levels.{}.resident",
    "store": "stores",
}


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
    variants = [variant for task in tasks for variant in task.variants]
    for name, values in _unused(variants).items():
        kind, _, of = name.partition(".")
        where = machine.where(_LISTED[kind].format(of))
        listed = ", ".join(values)
        found.append((where, f"{name}: no candidate of {many} can take {listed}"))
    return sorted(found, key=lambda item: (item[0], item[1]))


def _unused(variants: Sequence[Variant]) -> dict[str, list[str]]:
    """Values of listed knobs that are in no space with that knob, by knob, as the file calls them."""
    from heron_cli.space.dead import unused_values

    idle: dict[str, dict[str, None]] = {}
    for variant in variants:
        asked = [name for name in variant.space.names if name.partition(".")[0] in _LISTED]
        unused = unused_values(variant.space, asked)
        for name in asked:
            mine = dict.fromkeys(_called(variant.template, name, value) for value in unused.get(name, ()))
            before = idle.get(name, mine)
            idle[name] = {value: None for value in before if value in mine}
    return {name: list(values) for name, values in idle.items() if values}


def _called(template: Template, name: str, value: int) -> str:
    """What a knob's value stands for; some knobs count through a list."""
    from heron_cli.schedule.primitives import Order, Store

    kind, _, of = name.partition(".")
    if kind == "place" and template.place is not None:
        return template.place.positions[value]
    if kind == "store":
        (store,) = template.all(Store)
        return store.kinds[value]
    if kind == "order":
        (order,) = (each for each in template.all(Order) if each.level == of)
        return " ".join(order.candidates[value])
    return str(value)
