"""A library's directory: checked before anything is built, written as a whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from heron_cli.errors import InputError
from heron_cli.library.manifest import NAME, SCHEMA


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: the directory, its files (relative), and their bytes altogether.

    `unchecked` names the workloads whose kernels were not run after linking.
    """

    folder: Path
    files: tuple[str, ...]
    bytes: int
    kernels: int
    unchecked: tuple[str, ...]


@dataclass(slots=True)
class Stage:
    """A scratch directory; `names` are the files in it that become the library, the manifest last."""

    folder: Path
    names: Sequence[str] = field(default_factory=list)
    bytes: int = 0


def check_output(out: Path, *, force: bool) -> None:
    """Raises InputError unless a library may be written to `out`; worth asking before kernels are rebuilt."""
    if out.is_symlink() and not out.exists():
        raise InputError(f"{out}: a link to nothing; name a directory")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: not a directory")
    with _told_plainly(out):
        if not force and out.is_dir() and any(out.iterdir()):
            raise InputError(f"{out}: the directory is not empty; name another, or replace it with --force")


@contextmanager
def staged(out: Path) -> Iterator[Stage]:
    """A stage to write a library to; `out` holds it when the block ends well, and is as it was otherwise.

    A library that is there is replaced; files that are not of a library stay. Raises InputError when `out`
    cannot be written.
    """
    existed = out.exists()
    with _told_plainly(out):
        out.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(prefix=".heron-export-", dir=out) as scratch:
                stage = Stage(Path(scratch))
                yield stage
                stage.bytes = sum((stage.folder / name).stat().st_size for name in stage.names)
                _remove_library(out)
                for name in stage.names:
                    (out / name).parent.mkdir(parents=True, exist_ok=True)
                    (stage.folder / name).replace(out / name)
        except BaseException:
            if not existed:
                shutil.rmtree(out, ignore_errors=True)
            raise


def _remove_library(out: Path) -> None:
    """Remove the files of a library that is in `out`; anything else stays."""
    try:
        content = json.loads((out / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except ValueError:
        content = None
    (out / NAME).unlink()  # first: without it the rest is no library
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        return
    for name in content.get("files", {}):
        if not Path(name).is_absolute() and ".." not in Path(name).parts:
            (out / name).unlink(missing_ok=True)


@contextmanager
def _told_plainly(out: Path) -> Iterator[None]:
    """Turns the operating system's complaints into one line."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise InputError(f"{out}: no space left on the disk; nothing was exported") from error
        reason = error.strerror or os.strerror(error.errno or errno.EIO)
        raise InputError(f"{out}: cannot write the library: {reason}") from error
