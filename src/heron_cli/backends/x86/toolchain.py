"""Link kernels, the C runtime and generated C into a library that needs libc, libm and pthread only."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from heron_cli.backends.x86.compiler import CFLAGS, RUNTIME, checkable_flags, run_tool, runtime_sources
from heron_cli.backends.x86.native import HOOKS

if TYPE_CHECKING:
    from heron_cli.backends.base import Kernel
    from heron_cli.library.toolchain import NativeLibrary

_WARNINGS = ("-Wall", "-Wextra")
_SHARED = (
    "-shared",
    "-Wl,-Bsymbolic",  # calls between our own functions stay inside the library
    "-Wl,-z,nodelete",  # worker threads run its code, so it cannot be unmapped
    "-Wl,-z,now",
    "-Wl,-z,relro",
    "-Wl,-z,noexecstack",
    "-Wl,--gc-sections",
    "-Wl,--no-undefined",
    "-Wl,--as-needed",
)


class X86Toolchain:
    """The compiler and binutils of an x86-64 Linux machine (`heron_cli.library.toolchain.Toolchain`)."""

    platform = "linux-x86_64"

    def uncheckable(self, requires: Iterable[str]) -> list[str]:
        """Those of the required CPU flags that the library could not check for when it runs."""
        return [flag for flag in requires if flag not in checkable_flags()]

    def link(self, library: NativeLibrary, shared: Path, static: Path) -> None:
        """Write the shared library and the static one; see the protocol for what is raised."""
        with tempfile.TemporaryDirectory(prefix="heron-link-") as folder:
            scratch = Path(folder)
            objects = [_kernel_object(scratch, name, kernel) for name, kernel in library.kernels]
            includes = [f"-I{path}" for path in (*library.includes, RUNTIME)]
            for number, source in enumerate((*library.sources, *runtime_sources(timing=False))):
                target = scratch / f"source{number}.o"
                run_tool("cc", [*CFLAGS, *_WARNINGS, *includes, "-c", source, "-o", target])
                objects.append(target)
            whole, public = scratch / "whole.o", scratch / "heron_kernels.o"
            run_tool("ld", ["-r", "-z", "noexecstack", "-o", whole, *objects])
            # One object whose other symbols are local: a program that links the archive sees no name that
            # is not in the header, and no hook of ours meets those of a TVM in the same program.
            keep = scratch / "public.txt"
            keep.write_text("".join(f"{name}\n" for name in library.public))
            run_tool("objcopy", [f"--keep-global-symbols={keep}", "--strip-debug", whole, public])
            static.unlink(missing_ok=True)
            run_tool("ar", ["rcsD", static, public])
            run_tool("cc", [*_SHARED, f"-Wl,-soname,{shared.name}", "-o", shared, public, "-lm", "-pthread"])


def _kernel_object(scratch: Path, name: str, kernel: Kernel) -> Path:
    """The kernel's object with its functions renamed and everything else but the hooks made local."""
    source, renamed = scratch / f"{name}.built.o", scratch / f"{name}.o"
    source.write_bytes(kernel.code)
    symbols = {kernel.symbol: name, f"{kernel.symbol}_pack": f"{name}_pack"}
    options = [f"--redefine-sym={old}={new}" for old, new in symbols.items()]
    run_tool("objcopy", [*options, source, renamed])
    keep = [f"--keep-global-symbol={symbol}" for symbol in (*symbols.values(), *HOOKS)]
    run_tool("objcopy", [*keep, renamed])
    return renamed


toolchain = X86Toolchain()
