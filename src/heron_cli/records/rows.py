"""Records as rows of the tables of `schema`."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..trial import Candidate, Measurement, Status, Trial
from .codec import RecordError
from .record import Purpose, Record, canonical_json

_WORKLOAD = ("workload", "operator", "definition")
_RUN = ("target", "target_digest", "threads", "method", "seed", "versions")
_MEASUREMENT = ("seconds", "spread", "cycles", "reason", "build_seconds", "run_seconds", "program")
_TRIAL = (
    *("workload_id", "run_id", "purpose", "round", "position", "variant", "assignment", "status", "verified"),
    *_MEASUREMENT,
    *("metrics", "created", "digest"),
)
_SELECT = f"""
    SELECT trials.*, {", ".join(_WORKLOAD + _RUN)}
    FROM trials JOIN workloads ON workloads.id = workload_id JOIN runs ON runs.id = run_id
"""


@dataclass(frozen=True, slots=True)
class Query:
    """Which records to read; None means any."""

    workload: str | None = None
    operator: str | None = None
    target: str | None = None
    target_digest: str | None = None
    threads: int | None = None
    status: Status | None = None
    verified: bool | None = None
    purpose: Purpose | None = None
    method: str | None = None
    seed: int | None = None


def select(connection: sqlite3.Connection, query: Query) -> list[Record]:
    """The records that match, oldest first."""
    chosen = {field.name: getattr(query, field.name) for field in dataclasses.fields(query)}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    where = " AND ".join(f"{name} = :{name}" for name in chosen) or "1"
    rows = connection.execute(f"{_SELECT} WHERE {where} ORDER BY created, trials.id", chosen)
    return [_checked(row) for row in rows]


def insert(connection: sqlite3.Connection, record: Record) -> Record:
    """Add the record unless it is there; returned with its id. The caller holds the transaction."""
    values = record.to_json()
    for name in ("definition", "versions", "assignment", "metrics"):
        values[name] = canonical_json(values[name])
    values["workload_id"] = _intern(connection, "workloads", values, _WORKLOAD)
    values["run_id"] = _intern(connection, "runs", values, _RUN)
    values["digest"] = record.digest
    marks = ", ".join(f":{name}" for name in _TRIAL)
    statement = f"INSERT INTO trials ({', '.join(_TRIAL)}) VALUES ({marks}) ON CONFLICT (digest) DO NOTHING"
    connection.execute(statement, values)
    row = connection.execute("SELECT id FROM trials WHERE digest = :digest", values).fetchone()
    return dataclasses.replace(record, id=int(row["id"]))


def _intern(
    connection: sqlite3.Connection, table: str, values: Mapping[str, Any], names: Sequence[str]
) -> int:
    """The id of the row with these values, made when missing."""
    find = f"SELECT id FROM {table} WHERE {' AND '.join(f'{name} = :{name}' for name in names)}"
    row = connection.execute(find, values).fetchone()
    if row is None:
        marks = ", ".join(f":{name}" for name in names)
        connection.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", values)
        row = connection.execute(find, values).fetchone()
    return int(row["id"])


def _checked(row: sqlite3.Row) -> Record:
    """The record of a row. Raises RecordError for one that heron did not write so."""
    try:
        return _record(row)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RecordError(f"the record {row['id']} is damaged: {error}") from error


def _map(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"{text[:40]} is no JSON object")
    return found


def _record(row: sqlite3.Row) -> Record:
    measurement = Measurement(
        status=Status(row["status"]),
        verified=bool(row["verified"]),
        metrics=_map(row["metrics"]),
        **{name: row[name] for name in _MEASUREMENT},
    )
    return Record(
        definition=_map(row["definition"]),
        versions=_map(row["versions"]),
        trial=Trial(Candidate.of(row["variant"], _map(row["assignment"])), measurement),
        purpose=Purpose(row["purpose"]),
        **{name: row[name] for name in ("id", "workload", "operator", "target", "target_digest", "threads")},
        **{name: row[name] for name in ("seed", "method", "round", "position", "created")},
    )
