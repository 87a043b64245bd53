"""Every measured point of the compared spaces, in one SQLite file that many processes share.

A point is claimed before it is measured, so that searches that meet at it (all start from the same seeds)
measure it once; whoever comes second waits for the answer. A claim whose owner ended is taken over.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from heron_cli.trial import Candidate, Measurement, Status

_TABLE = """
CREATE TABLE IF NOT EXISTS points (
    space TEXT NOT NULL, variant TEXT NOT NULL, knobs TEXT NOT NULL,
    owner INTEGER NOT NULL, since REAL NOT NULL,
    status TEXT, seconds REAL, cycles INTEGER, spread REAL, reason TEXT,
    PRIMARY KEY (space, variant, knobs)
) WITHOUT ROWID
"""
_POLL, _LOOK = 0.02, 1.0  # seconds between looks for an answer, and for an owner that ended


class Points:
    """The file; a context manager. `space` names the workload and the accelerator's digest."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(_TABLE)

    def known(self, space: str, candidate: Candidate) -> Measurement | None:
        """What was measured at the point."""
        query = (
            "SELECT status, seconds, cycles, spread, reason FROM points "
            "WHERE space=? AND variant=? AND knobs=?"
        )
        found = self._connection.execute(query, (space, *_key(candidate))).fetchone()
        return None if found is None or found[0] is None else _measurement(*found)

    def claim(self, space: str, candidate: Candidate) -> bool:
        """Whether this process is now the one to measure the point."""
        variant, knobs = _key(candidate)
        added = self._connection.execute(
            "INSERT OR IGNORE INTO points (space, variant, knobs, owner, since) VALUES (?, ?, ?, ?, ?)",
            (space, variant, knobs, os.getpid(), time.time()),
        )
        if added.rowcount:
            return True
        query = "SELECT owner FROM points WHERE space=? AND variant=? AND knobs=? AND status IS NULL"
        claimed = self._connection.execute(query, (space, variant, knobs)).fetchone()
        if claimed is None or (claimed[0] != os.getpid() and _alive(claimed[0])):
            return False
        taken = self._connection.execute(
            "UPDATE points SET owner=?, since=? "
            "WHERE space=? AND variant=? AND knobs=? AND owner=? AND status IS NULL",
            (os.getpid(), time.time(), space, variant, knobs, claimed[0]),
        )
        return bool(taken.rowcount)

    def put(self, space: str, candidate: Candidate, found: Measurement) -> None:
        """Record what was measured at a claimed point."""
        self._connection.execute(
            "UPDATE points SET status=?, seconds=?, cycles=?, spread=?, reason=? "
            "WHERE space=? AND variant=? AND knobs=?",
            (
                found.status.value, found.seconds, found.cycles, found.spread, found.reason, space,
                *_key(candidate),
            ),
        )  # fmt: skip

    def release(self, space: str) -> None:
        """Give up what this process has claimed and not measured."""
        self._connection.execute(
            "DELETE FROM points WHERE space=? AND owner=? AND status IS NULL", (space, os.getpid())
        )

    def wait(self, space: str, candidate: Candidate, until: float) -> Measurement | None:
        """What another process measures at the point; None when this one has to, or `until` is over."""
        looked = time.monotonic()
        while (found := self.known(space, candidate)) is None:
            now = time.monotonic()
            if now > until:
                return None
            if now > looked + _LOOK:  # seldom: it writes
                looked = now
                if self.claim(space, candidate):
                    return None
            time.sleep(_POLL)
        return found

    def all(self, space: str) -> Iterator[tuple[Candidate, Measurement]]:
        """Every measured point of a space, in a fixed order."""
        query = (
            "SELECT variant, knobs, status, seconds, cycles, spread, reason FROM points "
            "WHERE space=? AND status IS NOT NULL ORDER BY variant, knobs"
        )
        for variant, knobs, *found in self._connection.execute(query, (space,)):
            yield Candidate.of(variant, dict(json.loads(knobs))), _measurement(*found)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()


def _key(candidate: Candidate) -> tuple[str, str]:
    return candidate.variant, json.dumps(candidate.knobs)


def _measurement(
    status: str, seconds: float | None, cycles: int | None, spread: float | None, reason: str
) -> Measurement:
    ok = status == Status.OK.value
    return Measurement(Status(status), seconds, spread, cycles, verified=ok, reason=reason)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # someone else's by now
        return False
    return True
