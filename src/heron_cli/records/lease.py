"""One run at a time per workload of a database: an advisory lock that dies with its process.

A POSIX record lock on one byte of `<database>-lock`: the kernel drops it even after `kill -9`, forked workers
do not inherit it, and it tells who holds it. The byte's offset is a hash of what is locked, so that runs of
different workloads share the file without meeting.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import threading
from pathlib import Path
from types import TracebackType

from ..errors import InputError

_FLOCK = struct.Struct("hhqqi")  # struct flock of 64-bit Linux: type, whence, start, length, pid
_guard = threading.Lock()
# POSIX locks belong to the process and closing *any* descriptor of the file drops them all: one descriptor
# per file and process, counted.
_files: dict[Path, tuple[int, set[int]]] = {}


class Lease:
    """Holds the lock on one (workload, target digest, threads) of a database; a context manager."""

    def __init__(self, database: Path, workload: str, scope: str = "") -> None:
        """Take the lock on `workload` within `scope`; InputError says which process holds it."""
        self._path = Path(f"{database.resolve()}-lock")
        self._offset = int.from_bytes(hashlib.sha256(f"{workload}\0{scope}".encode()).digest()[:7], "big")
        self._held = False
        with _guard:
            holder = _acquire(self._path, self._offset)
        if holder is not None:
            raise InputError(
                f"{database}: another run (process {holder}) is tuning {workload}; "
                "wait for it or choose another file for --db"
            )
        self._held = True

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._held:
            self._held = False
            with _guard:
                _release(self._path, self._offset)

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _acquire(path: Path, offset: int) -> int | None:
    """Lock one byte; the process that holds it already, if one does."""
    while True:
        descriptor, offsets = _files.get(path) or (_open(path), set())
        if offset in offsets:
            return os.getpid()
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
        except OSError:
            holder = _holder(descriptor, offset)
            if not offsets:
                os.close(descriptor)
            if holder is None:
                continue  # released meanwhile
            return holder
        if offsets or _same_file(descriptor, path):
            _files[path] = (descriptor, offsets | {offset})
            return None
        # the last holder removed the file between our open and our lock
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        reason = f"cannot be created ({error.strerror})"
        raise InputError(f"{path}: {reason}; the database's directory must be writable") from error


def _holder(descriptor: int, offset: int) -> int | None:
    query = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0)
    kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, query))
    return None if kind == fcntl.F_UNLCK else pid


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _release(path: Path, offset: int) -> None:
    descriptor, offsets = _files[path]
    offsets = offsets - {offset}
    if offsets:
        _files[path] = (descriptor, offsets)
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, offset)
        return
    del _files[path]
    try:
        # whoever can lock the whole file is alone with it and may remove it: an acquirer that opened it
        # before checks afterwards that it still has a name
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 0, 0)
        path.unlink(missing_ok=True)
    except OSError:
        return  # others still hold leases there: the file stays
    finally:
        os.close(descriptor)
