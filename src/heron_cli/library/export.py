"""Write a library of kernels to a directory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from heron_cli import __version__
from heron_cli.errors import InputError
from heron_cli.library.device_dispatch import DeviceDispatch
from heron_cli.library.dispatch import Dispatch
from heron_cli.library.header import header, public_symbols
from heron_cli.library.host_dispatch import HostDispatch
from heron_cli.library.interface import Interface, derive
from heron_cli.library.item import ExportItem, Fallback
from heron_cli.library.manifest import NAME, build_id, manifest
from heron_cli.library.packaging import package_files
from heron_cli.library.staging import Exported, check_output, staged
from heron_cli.library.style import STYLES
from heron_cli.library.toolchain import NativeLibrary, Toolchain
from heron_cli.library.verify import verify

if TYPE_CHECKING:
    from heron_cli.operators.base import Operator

SHARED = "lib/libheron_kernels.so"
STATIC = "lib/libheron_kernels.a"
HEADER = "include/heron_kernels.h"
PYTHON = "python/heron_kernels"

_DISPATCH: dict[str, type[Dispatch]] = {kind.style.memory: kind for kind in (HostDispatch, DeviceDispatch)}


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
            raise InputError(f"{item.workload.key}: a library cannot check for {unknown[0]}")
    find = operator_of or registry.get
    interface = derive(items, find)
    with staged(out) as stage:
        stage.names = _write(stage.folder, interface, fallbacks, toolchain, version)
        unchecked = (
            verify(stage.folder, items, find, toolchain.call)
            if check
            else [item.workload.key for item in items]
        )
    return Exported(out, tuple(stage.names), stage.bytes, len(items), tuple(unchecked))


def _write(
    stage: Path, interface: Interface, fallbacks: Sequence[Fallback], toolchain: Toolchain, version: str
) -> list[str]:
    """Write all files under `stage`; their names, the manifest last."""
    style = STYLES[toolchain.memory]
    header_text = header(interface, version, __version__, style)
    identity = build_id(interface, header_text)
    texts = {
        HEADER: header_text,
        **{f"{PYTHON}/{path.name}": path.read_text(encoding="utf-8") for path in _loader_files()},
        **package_files(version, style),
    }
    for name, text in texts.items():
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        (stage / name).write_text(text, encoding="utf-8")
    source = stage / "dispatch.c"
    source.write_text(_DISPATCH[style.memory](interface, identity).text(), encoding="utf-8")
    library = NativeLibrary(
        kernels=[(entry.internal, entry.item.kernel) for entry in interface.entries],
        sources=[source, *style.sources],
        includes=[stage / "include", *style.includes],
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
        style=style,
    )
    (stage / NAME).write_text(text, encoding="utf-8")
    return [*names, NAME]


def _loader_files() -> list[Path]:
    """The Python loader, which imports nothing of heron."""
    return sorted(Path(__file__).with_name("loader").glob("*.py"))
