from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from heron_cli.errors import InputError
from heron_cli.records.schema import MIGRATIONS, migrate

TWO_STEPS = (
    "CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1)",
    "ALTER TABLE a ADD COLUMN y INTEGER DEFAULT 5",
)


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def test_an_older_database_is_brought_up_to_date_with_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    migrate(connect(path), path, TWO_STEPS[:1])
    migrate(connect(path), path, TWO_STEPS)
    migrate(connect(path), path, TWO_STEPS)
    assert connect(path).execute("SELECT x, y FROM a").fetchall() == [(1, 5)]
    assert connect(path).execute("PRAGMA user_version").fetchone() == (2,)


def test_a_failed_migration_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    migrate(connect(path), path, TWO_STEPS[:1])
    with pytest.raises(sqlite3.OperationalError):
        migrate(connect(path), path, (TWO_STEPS[0], "ALTER TABLE a ADD COLUMN z INTEGER; SELECT nonsense"))
    assert connect(path).execute("SELECT * FROM a").fetchall() == [(1,)]
    assert connect(path).execute("PRAGMA user_version").fetchone() == (1,)


def test_newer_than_known(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    migrate(connect(path), path, TWO_STEPS)
    with pytest.raises(InputError, match="schema 2; this one knows up to 1"):
        migrate(connect(path), path, TWO_STEPS[:1])


def test_the_published_migrations_run(tmp_path: Path) -> None:
    connection = connect(tmp_path / "x.db")
    migrate(connection, tmp_path / "x.db")
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
