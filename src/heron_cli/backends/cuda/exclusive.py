"""One process at a time on a GPU: kernels that share it would time each other.

An advisory lock on a file of the machine. Its folder is a fixed one: that of `tempfile` differs between the
processes that measure, which have one each, and between users that set TMPDIR. Any user may hold the lock,
whoever made the file: reading it is enough.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path("/tmp")


@contextmanager
def exclusive(identity: str) -> Iterator[None]:
    """Waits until no other process of heron's on this machine uses the GPU of this identity.

    Not to be entered again inside of itself: it would wait forever. Raises OSError where the folder cannot be
    written.
    """
    descriptor = _open(FOLDER / f"heron-gpu-{identity}.lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    flags = os.O_RDONLY | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        try:
            return os.open(path, flags | os.O_CREAT, 0o644)
        except PermissionError:  # another user has made it since, and the kernel protects it from O_CREAT
            return os.open(path, flags)
