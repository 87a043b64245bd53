"""Which record each workload of a library is built from: the best one that was verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heron_cli.errors import InputError
from heron_cli.library.item import Fallback
from heron_cli.records import Query, Record, Store

if TYPE_CHECKING:
    from heron_cli.operators.workload import Workload


@dataclass(frozen=True, slots=True)
class Selection:
    """The record of each workload that has one, and the workloads that have none."""

    chosen: tuple[tuple[Workload, Record], ...]
    fallbacks: tuple[Fallback, ...]


def select(
    store: Store,
    query: Query,
    workloads: Sequence[Workload],
    *,
    versions: Mapping[str, str] | None = None,
    allow_missing: bool = False,
) -> Selection:
    """The best verified record of each of the `workloads` among the records that match `query`.

    `versions` leaves out records of other toolchains (see `heron_cli.records.comparable`). Where several
    records stand, of different accelerators or thread counts, the fastest is taken.

    Raises InputError naming the workloads without a verified record, unless `allow_missing`, and when none
    of them has one.
    """
    best: dict[str, Record] = {}
    for record in store.best(query, versions):
        held = best.setdefault(record.workload, record)
        if _cost(record) < _cost(held):
            best[record.workload] = record
    distinct = {workload.key: workload for workload in workloads}
    missing = [workload for key, workload in distinct.items() if key not in best]
    tried = {record.workload for record in store.all(query)} if missing else set()
    fallbacks = tuple(
        Fallback(workload, "no trial was verified" if workload.key in tried else "never tuned")
        for workload in missing
    )
    if fallbacks and (not allow_missing or len(fallbacks) == len(distinct)):
        listed = "".join(f"\n  {f.workload.key}: {f.reason}" for f in fallbacks)
        raise InputError(
            f"{store.path}: no verified record of {len(fallbacks)} workload(s); tune them:{listed}"
        )
    chosen = tuple((workload, best[key]) for key, workload in distinct.items() if key in best)
    if not chosen:
        raise InputError(f"{store.path}: no verified record to export; run `heron tune` first")
    return Selection(chosen, fallbacks)


def _cost(record: Record) -> float:
    return float("inf") if record.cost is None else record.cost
