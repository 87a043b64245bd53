"""Make a shared library and a static archive that show nothing but their public functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from heron_cli.backends.tools import run_tool

CFLAGS = ("-std=gnu11", "-O2", "-fPIC", "-pthread")
_WARNINGS = ("-Wall", "-Wextra")
_SHARED = (
    "-shared",
    "-Wl,-Bsymbolic",  # calls between our own functions stay inside the library
    "-Wl,-z,nodelete",  # threads may run its code and drivers hold its data, so it cannot be unmapped
    "-Wl,-z,now",
    "-Wl,-z,relro",
    "-Wl,-z,noexecstack",
    "-Wl,--gc-sections",
    "-Wl,--no-undefined",
    "-Wl,--as-needed",
)


def compile_sources(sources: Sequence[Path], includes: Iterable[Path], scratch: Path) -> list[Path]:
    """The objects of C files. Raises as `tools.run_tool`."""
    objects = []
    options = [*CFLAGS, *_WARNINGS, *(f"-I{path}" for path in includes)]
    for number, source in enumerate(sources):
        target = scratch / f"source{number}.o"
        run_tool("cc", [*options, "-c", source, "-o", target])
        objects.append(target)
    return objects


def link(
    objects: Sequence[Path],
    public: Iterable[str],
    libraries: Sequence[str],
    shared: Path,
    static: Path,
    scratch: Path,
) -> None:
    """Write both; `libraries` are the linker's options for what they need. Raises as `tools.run_tool`."""
    whole, visible = scratch / "whole.o", scratch / "heron_kernels.o"
    run_tool("ld", ["-r", "-z", "noexecstack", "-o", whole, *objects])
    # One object whose other symbols are local: a program that links the archive sees no name that is not in
    # the header, and nothing of ours meets its likes in the same program.
    keep = scratch / "public.txt"
    keep.write_text("".join(f"{name}\n" for name in public))
    run_tool("objcopy", [f"--keep-global-symbols={keep}", "--strip-debug", whole, visible])
    static.unlink(missing_ok=True)
    run_tool("ar", ["rcsD", static, visible])
    run_tool("cc", [*_SHARED, f"-Wl,-soname,{shared.name}", "-o", shared, visible, *libraries])
