"""From the records of a database to a library on disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heron_cli.errors import InputError

from .remote import versions_here
from .spaces import make_task
from .workloads import workload_of

if TYPE_CHECKING:
    from heron_cli.accelerator.model import Accelerator
    from heron_cli.library.item import ExportItem, Fallback
    from heron_cli.library.programs import ProgramExporter, ProgramItem
    from heron_cli.library.select import Selection
    from heron_cli.library.staging import Exported
    from heron_cli.library.toolchain import Toolchain
    from heron_cli.operators.workload import Workload
    from heron_cli.records import Query, Record, Store

_KERNELS_PER_PROCESS = 4


@dataclass(frozen=True, slots=True)
class Export:
    """What was written: the kernels, the workloads that were asked for and are not there, and the files."""

    items: Sequence[ExportItem]
    fallbacks: Sequence[Fallback]
    written: Exported


def export(
    store: Store,
    accelerator: Accelerator,
    out: Path,
    *,
    threads: int | None = None,
    workloads: Sequence[Workload] | None = None,
    allow_missing: bool = False,
    force: bool = False,
) -> Export:
    """Write the best verified kernel of each workload as a library; by default of all that the store holds.

    Only records of this description of the accelerator and of this toolchain count. Each kernel is built
    again from its record and must be the very program that was measured and verified.

    Raises InputError when a workload has no verified record (unless `allow_missing` and another has one),
    the back end makes no libraries, or `out` cannot be written.
    """
    from heron_cli.library import export as native
    from heron_cli.library import programs
    from heron_cli.library.staging import check_output

    check_output(out, force=force)
    toolchain: Toolchain | None = _offered(accelerator, "toolchain")
    exporter: ProgramExporter | None = _offered(accelerator, "exporter")
    if toolchain is None and exporter is None:
        raise InputError(f"{accelerator.name}: its back end {accelerator.backend} makes no libraries")
    selection = _select(store, accelerator, threads, workloads, allow_missing)
    requires = () if toolchain is None else toolchain.requires(accelerator)
    built = _build(selection.chosen, partial(_item, accelerator=accelerator, requires=requires))
    items = [each.item for each in built]
    missing = selection.fallbacks
    if toolchain is not None:
        written = native.export(items, out, toolchain, fallbacks=missing, force=force)
    else:
        assert exporter is not None
        written = programs.export(built, out, accelerator, exporter, fallbacks=missing, force=force)
    return Export(items, missing, written)


def _offered(accelerator: Accelerator, name: str) -> Any:
    """What the back end of the accelerator offers as `name` in its module of that name; None if nothing."""
    from heron_cli.backends import registry

    package = sys.modules[type(registry.get(accelerator.backend)).__module__].__package__
    if find_spec(f"{package}.{name}") is None:
        return None
    return getattr(import_module(f"{package}.{name}"), name)


def _select(
    store: Store,
    accelerator: Accelerator,
    threads: int | None,
    workloads: Sequence[Workload] | None,
    allow_missing: bool,
) -> Selection:
    from heron_cli.library.select import select
    from heron_cli.records import Query

    query = Query(target_digest=accelerator.digest, threads=threads)
    versions = _versions(store, accelerator, query)
    if workloads is None:
        workloads = [workload_of(record) for record in store.best(query, versions)]
        if not workloads:
            raise InputError(f"{store.path}: {_nothing(store, accelerator, query)}")
    return select(store, query, workloads, versions=versions, allow_missing=allow_missing)


def _versions(store: Store, accelerator: Accelerator, query: Query) -> dict[str, str]:
    """Under which kernels count as measured. A machine without the GPU exports for the one that was tuned on.

    Raises InputError when there are records of several.
    """
    versions = versions_here(accelerator)
    if "gpu" in versions:
        return versions
    found = {record.versions.get("gpu") for record in store.best(query)} - {None}
    if len(found) > 1:
        names = ", ".join(sorted(str(name) for name in found))
        raise InputError(f"{store.path}: records of several GPUs ({names}); export where the right one is")
    if found:
        del versions["cpu"]
        versions["gpu"] = str(found.pop())
    return versions


def _nothing(store: Store, accelerator: Accelerator, query: Query) -> str:
    """Why there is nothing to export."""
    from heron_cli.records import Query

    if store.best(query):
        reason = "its verified records are of other versions of heron, TVM or another processor"
    elif store.best(Query(target=accelerator.name)):
        reason = "its verified records are of another description of it, or other threads"
    else:
        reason = "none is recorded"
    return f"no verified kernel for {accelerator.name} to export: {reason}; run `heron tune` first"


def _build(
    chosen: Sequence[tuple[Workload, Record]], item: Callable[[tuple[Workload, Record]], ProgramItem]
) -> list[ProgramItem]:
    """All kernels, in order; many of them in several processes, each of which takes seconds to start."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    jobs = min(len(os.sched_getaffinity(0)), len(chosen) // _KERNELS_PER_PROCESS)
    if jobs < 2:
        return [item(each) for each in chosen]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        return list(pool.map(item, chosen))


def _item(
    chosen: tuple[Workload, Record], *, accelerator: Accelerator, requires: tuple[str, ...]
) -> ProgramItem:
    """The kernel of a record, built again."""
    from heron_cli.backends import registry
    from heron_cli.library.item import ExportItem
    from heron_cli.library.programs import ProgramItem

    workload, record = chosen
    task = make_task(workload, accelerator, record.threads)
    kernel = registry.get(accelerator.backend).build(task, record.trial.candidate, threads=record.threads)
    measured = record.trial.measurement.program
    if measured and kernel.program != measured:
        raise InputError(
            f"record {record.id} of {workload.key}: it builds to another program than was verified; "
            "tune again"
        )
    return ProgramItem(ExportItem(workload, kernel, record, requires), task)
