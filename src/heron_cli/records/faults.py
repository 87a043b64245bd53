"""SQLite's failures, told as what went wrong and what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError

_HINTS = {
    sqlite3.SQLITE_FULL: "disk full; free some space and run again: what was recorded before is kept",
    sqlite3.SQLITE_IOERR: "input/output error; check the disk, run again: what was recorded before is kept",
    sqlite3.SQLITE_BUSY: "locked by another process for too long; end it or choose another file for --db",
    sqlite3.SQLITE_LOCKED: "locked by another process; end it or choose another file for --db",
    sqlite3.SQLITE_READONLY: "not writable; change its permissions or choose another file for --db",
    sqlite3.SQLITE_PERM: "not accessible; change its permissions or choose another file for --db",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; its directory must exist and be writable",
    sqlite3.SQLITE_NOTADB: "not a database; choose another file for --db",
    sqlite3.SQLITE_CORRUPT: "damaged; restore a copy, or save what can be read with `sqlite3 FILE .recover`",
}


@contextmanager
def told_plainly(path: Path | str) -> Iterator[None]:
    """Turn the SQLite errors that a user can act on into InputError; let heron's own bugs through."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {_HINTS[sqlite3.SQLITE_CORRUPT]}") from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None and "decode" in str(error):  # text that is not UTF-8, found by Python's side
            code = sqlite3.SQLITE_CORRUPT
        hint = _HINTS.get(code & 0xFF) if code is not None else None  # the low byte is the primary code
        if hint is None:
            raise
        raise InputError(f"{path}: {hint}") from error
