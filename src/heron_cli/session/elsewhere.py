"""What other numbers of threads found for a workload, as seeds: the same programs, shared anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from heron_cli.errors import HeronError

from .spaces import make_task

if TYPE_CHECKING:
    from heron_cli.records import Record, Store
    from heron_cli.schedule.sharing import Completion
    from heron_cli.schedule.task import Task, Variant
    from heron_cli.schedule.template import Template
    from heron_cli.space import TableSampler

ELITES = 4
"""Programs that are taken over, of different tiles."""
MOST = 8
"""Seeds made of them, half of a usual batch: the analytic model's come beside."""


class Elsewhere:
    """The fastest programs of a workload in the store, measured on other numbers of threads.

    `versions`: of the toolchain and the processor that the search measures with; others do not count.
    """

    def __init__(self, task: Task, store: Store, versions: Mapping[str, str]) -> None:
        from heron_cli.records import Query
        from heron_cli.records.standing import comparable

        self._task, self._tasks = task, dict[int, "Task"]()
        query = Query(workload=task.workload.key, target_digest=task.accelerator.digest, verified=True)
        found = [
            record
            for record in store.all(query)
            if record.threads != task.threads
            and record.cost is not None
            and comparable(record.versions, versions)
        ]
        self._records = sorted(found, key=_cost)

    def seeds(self, variant: Variant, sampler: TableSampler) -> list[dict[str, int]]:
        """Assignments of the variant's knobs, the most promising first: of each program every way to divide
        one axis alone among the threads.
        """
        from heron_cli.schedule.sharing import Completion

        if not self._records:
            return []
        completion = Completion(variant.template, variant.space, sampler)
        ranked: list[tuple[int, dict[str, int]]] = []
        for place, values in enumerate(self._programs(variant, completion)):
            within = {name: (value,) for name, value in values.items()}
            for turn, name in enumerate(completion.names):
                row = completion.one_part_each(name, within)
                if row is not None:
                    ranked.append((place + turn, variant.space.values(row)))
        ranked.sort(key=lambda each: each[0])
        distinct = {tuple(values.items()): values for _, values in ranked}
        return list(distinct.values())[:MOST]

    def _programs(self, variant: Variant, completion: Completion) -> Iterator[dict[str, int]]:
        """The knobs of the fastest programs of different tiles, but for how they are shared."""
        from heron_cli.schedule.seeds import tile_knobs

        tiles = tile_knobs(variant.template, variant.space)
        domains = variant.space.domains
        seen = set[tuple[int, ...]]()
        for record in self._records:
            if record.trial.candidate.variant != variant.name or len(seen) == ELITES:
                continue
            values = self._translated(record, variant)
            shared = {name: value for name, value in values.items() if name not in completion.names}
            if {*shared, *completion.names} != set(domains) or any(
                value not in domains[name] for name, value in shared.items()
            ):
                continue
            tile = tuple(shared[name] for name in tiles)
            if tile not in seen:
                seen.add(tile)
                yield shared

    def _translated(self, record: Record, variant: Variant) -> dict[str, int]:
        """The record's knobs with what stands for a place counted as this number of threads counts it.

        Where a stage is computed are more places with several threads. Without one of these the knob is left
        out, and so is everything where the record is of another heron.
        """
        threads = record.threads
        try:
            if threads not in self._tasks:
                self._tasks[threads] = make_task(self._task.workload, self._task.accelerator, threads)
            there = self._tasks[threads].variant(variant.name).template
        except HeronError:
            return {}
        old, new = _places(there), _places(variant.template)
        values = dict(record.trial.candidate.values)
        for name in old.keys() & new.keys() & values.keys():
            position = old[name][values.pop(name)] if values[name] < len(old[name]) else None
            if position in new[name]:
                values[name] = new[name].index(position)
        return values


def _places(template: Template) -> Mapping[str, Sequence[str]]:
    """The positions that every knob for the place of a stage chooses from."""
    from heron_cli.schedule.template import PACKED

    found: dict[str, Sequence[str]] = {}
    if template.place is not None:
        found[f"place.{template.place.stage}"] = template.place.positions
    if template.pack is not None:
        found[PACKED] = template.pack.positions
    return found


def _cost(record: Record) -> float:
    assert record.cost is not None  # only records with one are ranked
    return record.cost
