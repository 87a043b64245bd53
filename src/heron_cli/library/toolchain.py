"""What the export needs of a back end that compiles to native code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from heron_cli.backends.base import Kernel


@dataclass(frozen=True, slots=True)
class NativeLibrary:
    """What to link.

    `kernels` maps the name by which `sources` call a kernel (NAME, NAME_pack) to the kernel. `sources` are
    C files, compiled with `includes` and the runtime's headers. Of everything that comes together only the
    `public` functions are visible afterwards.
    """

    kernels: Sequence[tuple[str, Kernel]]
    sources: Sequence[Path]
    includes: Sequence[Path]
    public: Sequence[str]


class Toolchain(Protocol):
    """Makes libraries. An implementation is `heron_cli.backends.x86.toolchain.toolchain`."""

    platform: str

    def uncheckable(self, requires: Iterable[str]) -> list[str]:
        """Those of the required CPU flags that the library could not check for when it runs."""

    def link(self, library: NativeLibrary, shared: Path, static: Path) -> None:
        """Write the shared library and the static one. Both need libc, libm and pthread only.

        Raises InputError when a tool is missing, OSError when the disk is full, ToolError otherwise.
        """
