"""Workloads in records."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from heron_cli.errors import InputError

if TYPE_CHECKING:
    from heron_cli.operators.workload import Workload
    from heron_cli.records import Record


def definition(workload: Workload) -> dict[str, Any]:
    """The workload as JSON, from which `workload_of` makes it again."""
    from heron_cli.operators.epilogue import default

    shape = {
        name: list(value) if isinstance(value, tuple) else value for name, value in workload.shape.items()
    }
    found = {"operator": workload.operator, "shape": shape, "dtypes": asdict(workload.dtypes)}
    if not (workload.epilogue.empty and default(workload.dtypes).empty):
        found["epilogue"] = asdict(workload.epilogue)
    return found


def workload_of(record: Record) -> Workload:
    """The workload of a record. Raises InputError when this heron reads it as something else."""
    from heron_cli.operators.workload import make

    where = f"record {record.id}"
    given = record.definition
    if not {"shape", "dtypes"} <= given.keys():
        raise InputError(f"{where}: its definition of {record.workload} lacks shape or dtypes")
    epilogue = given.get("epilogue", {})
    if not isinstance(epilogue, dict):
        raise InputError(f"{where}: its definition of {record.workload} has an epilogue that is no mapping")
    fields = {name: (value, where) for name, value in epilogue.items()}
    workload = make(record.operator, given["shape"], dtypes=given["dtypes"], epilogue=fields, where=where)
    if workload.key != record.workload:
        raise InputError(f"{where}: is of {record.workload}, but its definition says {workload.key}")
    return workload
