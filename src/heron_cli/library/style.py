"""The two styles of libraries: kernels on the memory of this machine, and kernels on that of a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

C_FOLDER = Path(__file__).parent / "c"


@dataclass(frozen=True, slots=True)
class Style:
    """What C programs see of a library beside its shapes.

    `memory` says where operands lie; it names the folder of the C text. `context` is a parameter that follows
    the operands, or empty. The last two say what programs that use the static library must link.
    """

    memory: str
    machine: str
    alignment: int
    context: str
    cmake_libraries: str
    libraries: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where the C text of the style lies."""
        return C_FOLDER / self.memory

    @property
    def sources(self) -> list[Path]:
        """The C files of every library of the style."""
        return [C_FOLDER / "tables.c", self.folder / "support.c"]

    @property
    def includes(self) -> list[Path]:
        """Where these find their headers, beside the library's own."""
        return [C_FOLDER, self.folder]


HOST = Style("host", "CPU", 64, "", "Threads::Threads;m", ("-lm", "-pthread"))
DEVICE = Style("device", "GPU", 16, "void *stream", "Threads::Threads;${CMAKE_DL_LIBS}", ("-ldl", "-pthread"))
STYLES = {style.memory: style for style in (HOST, DEVICE)}
