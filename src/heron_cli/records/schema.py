"""The tables, and how an older database becomes a newer one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError

APPLICATION_ID = 0x48524E31  # "HRN1": tells heron's files from other people's SQLite files

# Entry i brings a database from version i to i + 1. Published entries never change; append.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE workloads (
        id INTEGER PRIMARY KEY,
        workload TEXT NOT NULL,
        operator TEXT NOT NULL,
        definition TEXT NOT NULL,
        UNIQUE (workload, operator, definition)
    ) STRICT;
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        target TEXT NOT NULL,
        target_digest TEXT NOT NULL,
        threads INTEGER NOT NULL,
        method TEXT NOT NULL,
        seed INTEGER NOT NULL,
        versions TEXT NOT NULL,
        UNIQUE (target, target_digest, threads, method, seed, versions)
    ) STRICT;
    CREATE TABLE trials (
        id INTEGER PRIMARY KEY,
        workload_id INTEGER NOT NULL REFERENCES workloads (id),
        run_id INTEGER NOT NULL REFERENCES runs (id),
        purpose TEXT NOT NULL,
        round INTEGER NOT NULL,
        position INTEGER NOT NULL,
        variant TEXT NOT NULL,
        assignment TEXT NOT NULL,
        status TEXT NOT NULL,
        seconds REAL,
        spread REAL,
        cycles INTEGER,
        verified INTEGER NOT NULL,
        reason TEXT NOT NULL,
        build_seconds REAL NOT NULL,
        run_seconds REAL NOT NULL,
        program TEXT NOT NULL,
        metrics TEXT NOT NULL,
        created TEXT NOT NULL,
        digest TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE INDEX trials_by_workload ON trials (workload_id, run_id);
    """,
)


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the database up to date in one transaction, or leave it as it was.

    Raises InputError when the file belongs to another program or to a newer heron.
    """
    if version_of(connection, path, migrations) == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # read again under the lock: another process may have been faster
        for script in migrations[version_of(connection, path, migrations) :]:
            for statement in script.split(";"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def version_of(connection: sqlite3.Connection, path: Path, migrations: Sequence[str] = MIGRATIONS) -> int:
    """The schema version of the database, 0 when it is new; InputError when this heron cannot use it."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if owner != APPLICATION_ID and (owner or version or tables):
        raise InputError(f"{path}: an SQLite database of another program; choose another file for --db")
    if version > len(migrations):
        raise InputError(
            f"{path}: written by a newer heron (schema {version}; this one knows up to {len(migrations)}); "
            "upgrade heron or choose another file for --db"
        )
    return version
