"""Write a library of kernels to a directory."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from heron_cli import __version__
from heron_cli.errors import InputError
from heron_cli.library.dispatch import dispatch
from heron_cli.library.header import C_FOLDER, header, public_symbols
from heron_cli.library.interface import Interface, derive
from heron_cli.library.item import ExportItem, Fallback
from heron_cli.library.manifest import NAME, SCHEMA, build_id, manifest
from heron_cli.library.packaging import package_files
from heron_cli.library.toolchain import NativeLibrary, Toolchain
from heron_cli.library.verify import verify

if TYPE_CHECKING:
    from heron_cli.operators.base import Operator

SHARED = "lib/libheron_kernels.so"
STATIC = "lib/libheron_kernels.a"
HEADER = "include/heron_kernels.h"
PYTHON = "python/heron_kernels"


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


def check_output(out: Path, *, force: bool) -> None:
    """Raises InputError unless a library may be written to `out`; worth asking before kernels are rebuilt."""
    if out.is_symlink() and not out.exists():
        raise InputError(f"{out}: a link to nothing; name a directory")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: not a directory")
    with _told_plainly(out):
        if not force and out.is_dir() and any(out.iterdir()):
            raise InputError(f"{out}: the directory is not empty; name another, or replace it with --force")


def export(
    items: Sequence[ExportItem],
    out: Path,
    toolchain: Toolchain,
    *,
    fallbacks: Sequence[Fallback] = (),
    version: str = __version__,
    force: bool = False,
    check: bool = True,
    operator_of: Callable[[str], Operator] | None = None,
) -> Exported:
    """Write the library of `items` to the directory `out`.

    With `force` a library that is there is replaced; files that are not of a library stay. Everything is
    made in a scratch directory first, so that an error leaves `out` as it was. With `check` every kernel is
    run from there and compared with numpy; those that this machine cannot run are listed as unchecked.

    Raises InputError when there is nothing to export, `out` is not empty, a tool is missing, the disk is
    full, or the kernels cannot make one interface; ToolError when they do not link; HeronError when a
    kernel of the linked library is wrong.
    """
    from heron_cli.operators import registry

    if not items:
        raise InputError("there is no kernel to export")
    check_output(out, force=force)
    for item in items:
        unknown = toolchain.uncheckable(item.requires)
        if unknown:
            raise InputError(f"{item.workload.key}: a library cannot check for CPU flag '{unknown[0]}'")
    find = operator_of or registry.get
    interface = derive(items, find)
    existed = out.exists()
    with _told_plainly(out):
        out.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(prefix=".heron-export-", dir=out) as scratch:
                stage = Path(scratch)
                names = _write(stage, interface, fallbacks, toolchain, version)
                unchecked = verify(stage, items, find) if check else [item.workload.key for item in items]
                size = sum((stage / name).stat().st_size for name in names)
                _remove_library(out)
                for name in names:
                    (out / name).parent.mkdir(parents=True, exist_ok=True)
                    (stage / name).replace(out / name)
        except BaseException:
            if not existed:
                shutil.rmtree(out, ignore_errors=True)
            raise
    return Exported(out, tuple(names), size, len(items), tuple(unchecked))


def _write(
    stage: Path, interface: Interface, fallbacks: Sequence[Fallback], toolchain: Toolchain, version: str
) -> list[str]:
    """Write all files under `stage`; their names, the manifest last."""
    header_text = header(interface, version, __version__)
    identity = build_id(interface, header_text)
    texts = {
        HEADER: header_text,
        **{f"{PYTHON}/{path.name}": path.read_text(encoding="utf-8") for path in _loader_files()},
        **package_files(version),
    }
    for name, text in texts.items():
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        (stage / name).write_text(text, encoding="utf-8")
    source = stage / "dispatch.c"
    source.write_text(dispatch(interface, identity), encoding="utf-8")
    library = NativeLibrary(
        kernels=[(entry.internal, entry.item.kernel) for entry in interface.entries],
        sources=[source, C_FOLDER / "support.c"],
        includes=[stage / "include", C_FOLDER],
        public=public_symbols(header_text),
    )
    toolchain.link(library, stage / SHARED, stage / STATIC)
    names = sorted([*texts, SHARED, STATIC])
    text = manifest(
        interface,
        fallbacks,
        {name: stage / name for name in names},
        version=version,
        heron_version=__version__,
        build_id=identity,
        platform=toolchain.platform,
    )
    (stage / NAME).write_text(text, encoding="utf-8")
    return [*names, NAME]


def _loader_files() -> list[Path]:
    """The Python loader, which imports nothing of heron."""
    return sorted(Path(__file__).with_name("loader").glob("*.py"))


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
