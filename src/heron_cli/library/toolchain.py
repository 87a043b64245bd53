"""What the export needs of a back end whose kernels are linked into a library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.accelerator.model import Accelerator
    from heron_cli.backends.base import Kernel


@dataclass(frozen=True, slots=True)
class NativeLibrary:
    """What to link.

    `kernels` maps the name by which `sources` know a kernel to the kernel: functions NAME and NAME_pack, or
    for a device its code, the array NAME_code. `sources` are C files, compiled with `includes` and the back
    end's own headers. Of everything that comes together only the `public` functions are visible afterwards.
    """

    kernels: Sequence[tuple[str, Kernel]]
    sources: Sequence[Path]
    includes: Sequence[Path]
    public: Sequence[str]


class Toolchain(Protocol):
    """Makes libraries. Implementations are `toolchain` in `heron_cli.backends.x86.toolchain` and its like.

    `memory` is the style of the library, a key of `heron_cli.library.style.STYLES`. A back end of a device
    implements library/c/device/device.h.
    """

    platform: str
    memory: str

    def requires(self, accelerator: Accelerator) -> tuple[str, ...]:
        """What a machine must have to run kernels for the accelerator: CPU flags, a GPU's architecture."""

    def uncheckable(self, requires: Iterable[str]) -> list[str]:
        """Those of the requirements that the library could not check for when it runs, in words."""

    def link(self, library: NativeLibrary, shared: Path, static: Path) -> None:
        """Write the shared library and the static one; neither needs more than the C library to load.

        Raises InputError when a tool is missing, OSError when the disk is full, ToolError otherwise.
        """

    def call(self, kernel: Any, arrays: Sequence[NDArray[Any]], threads: int) -> NDArray[Any]:
        """The output of a kernel of an open library (`library.loader`), run as it was tuned.

        Raises LibraryError, or HeronError in one line.
        """
