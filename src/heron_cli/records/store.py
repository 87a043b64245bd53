"""The trial store: one SQLite file, one commit per trial."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote

from ..errors import InputError
from . import exchange, rows
from .codec import RecordError, from_json
from .faults import told_plainly
from .lease import Lease
from .record import Purpose, Record
from .rows import Query
from .schema import migrate, version_of
from .standing import best_of, comparable, comparable_groups

_BUSY_SECONDS = 30.0
_MEMORY = ":memory:"


class Store:
    """A database of records. It never deletes: records of other toolchains are left out on reading.

    Every method raises InputError when the disk is full, fails or is read-only, or another process keeps
    the database for too long; what was recorded before stays.
    """

    def __init__(self, path: Path | str, connection: sqlite3.Connection) -> None:
        """Use `Store.open` or `Store.in_memory`."""
        self.path = Path(path)
        self._connection = connection
        connection.row_factory = sqlite3.Row

    @classmethod
    def open(cls, path: Path | str, *, read_only: bool = False) -> Store:
        """Open the database, and create it unless `read_only`.

        Raises InputError where there is none to read, the directory is missing or not writable, or the file
        is no database, another program's, or a newer heron's.
        """
        path = Path(path)
        if path.is_dir():
            raise InputError(f"{path}: a directory; --db names a file")
        if not path.parent.is_dir():
            raise InputError(f"{path}: the directory {path.parent} does not exist; make it first")
        if read_only and not path.exists():
            raise InputError(f"{path}: no such database; `heron tune --db {path}` makes one")
        with told_plainly(path):
            return cls(path, _connect_to_read(path) if read_only else _connect_to_write(path))

    @classmethod
    def in_memory(cls) -> Store:
        """A store that lives as long as this object, for replays and tests."""
        connection = sqlite3.connect(_MEMORY, isolation_level=None)
        migrate(connection, Path(_MEMORY))
        return cls(_MEMORY, connection)

    def close(self) -> None:
        """Close the database."""
        with told_plainly(self.path):
            self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def lease(self, workload: str, target_digest: str, threads: int) -> AbstractContextManager[object]:
        """Lock one workload against other runs; InputError when one is under way."""
        if str(self.path) == _MEMORY:
            return nullcontext()  # nobody else can reach it
        return Lease(self.path, workload, f"{target_digest} {threads}")

    def add(self, record: Record) -> Record:
        """Store one record, safe from the death of this process; returned with its id."""
        return self.add_all([record])[0]

    def add_all(self, records: Iterable[Record]) -> list[Record]:
        """Store the records in one transaction, all or none. One that is there already stays as it is."""
        with self._transaction() as connection:
            return [rows.insert(connection, record) for record in records]

    def all(self, query: Query | None = None) -> list[Record]:
        """The records that match, oldest first."""
        with told_plainly(self.path):
            try:
                return rows.select(self._connection, query or Query())
            except RecordError as error:
                raise InputError(f"{self.path}: {error}; restore a copy of the database") from error

    def trials(
        self,
        workload: str,
        target_digest: str,
        threads: int,
        versions: Mapping[str, str] | None = None,
        purpose: Purpose | None = Purpose.TRIAL,
    ) -> list[Record]:
        """What was measured of one workload, oldest first; under comparable `versions` only, where given."""
        query = Query(workload=workload, target_digest=target_digest, threads=threads, purpose=purpose)
        found = self.all(query)
        return [record for record in found if versions is None or comparable(record.versions, versions)]

    def best(self, query: Query | None = None, versions: Mapping[str, str] | None = None) -> list[Record]:
        """The best verified record of each workload, target digest and number of threads that matches.

        Without `versions` each toolchain's best is found first, and of those the fastest is taken.
        """
        best: dict[tuple[str, str, int], Record] = {}
        for group in comparable_groups(self.all(query)):
            record = best_of(group)
            if record is None or not (versions is None or comparable(record.versions, versions)):
                continue
            key = (record.workload, record.target_digest, record.threads)
            held = best.setdefault(key, record)
            if (record.cost or 0, record.created) < (held.cost or 0, held.created):
                best[key] = record
        return list(best.values())

    def export_jsonl(self, target: IO[str], query: Query | None = None) -> int:
        """Write the matching records, one JSON object a line; how many."""
        return exchange.write_jsonl(self.all(query), target)

    def import_jsonl(self, path: Path | str) -> int:
        """Add the records of a JSONL file, all or none; how many were new. InputError names a bad line."""
        return self._add_new(exchange.read_jsonl(Path(path)))

    def merge(self, other: Path | str) -> int:
        """Add the records of another database, all or none; how many were new."""
        try:
            with Store.open(other, read_only=True) as source:
                records = [from_json(record.to_json()) for record in source.all()]
        except (ValueError, sqlite3.Error) as error:  # a file that somebody else wrote or damaged
            raise InputError(f"{other}: holds what is no record: {error}") from error
        return self._add_new(records)

    def _add_new(self, records: Iterable[Record]) -> int:
        with self._transaction() as connection:
            count = "SELECT count(*) FROM trials"
            before = int(connection.execute(count).fetchone()[0])
            for record in records:
                rows.insert(connection, record)
            return int(connection.execute(count).fetchone()[0]) - before

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with told_plainly(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite rolls back by itself on some failures
                    self._connection.execute("ROLLBACK")
                raise


def _connect(path: Path, options: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?{options}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)


def _connect_to_write(path: Path) -> sqlite3.Connection:
    connection = _connect(path, "mode=rwc")
    try:
        migrate(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        # in WAL mode a commit outlives this process without a sync; one per trial would add only power cuts
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_to_read(path: Path) -> sqlite3.Connection:
    # a database on read-only media, closed properly, is read as immutable: WAL mode wants a file beside it
    frozen = not Path(f"{path}-wal").exists() and not os.access(path.parent, os.W_OK)
    connection = _connect(path, "immutable=1" if frozen else "mode=ro")
    try:
        if version_of(connection, path) == 0:
            raise InputError(f"{path}: holds no records; `heron tune --db {path}` makes some")
    except BaseException:
        connection.close()
        raise
    return connection
