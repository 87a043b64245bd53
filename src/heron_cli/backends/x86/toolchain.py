"""Link kernels, the C runtime and generated C into a library that needs libc, libm and pthread only."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heron_cli.backends.linking import compile_sources, link
from heron_cli.backends.tools import run_tool
from heron_cli.backends.x86.compiler import RUNTIME, checkable_flags, runtime_sources
from heron_cli.backends.x86.native import HOOKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.accelerator.model import Accelerator
    from heron_cli.backends.base import Kernel
    from heron_cli.library.toolchain import NativeLibrary


class X86Toolchain:
    """The compiler and binutils of an x86-64 Linux machine (`heron_cli.library.toolchain.Toolchain`)."""

    platform = "linux-x86_64"
    memory = "host"

    def requires(self, accelerator: Accelerator) -> tuple[str, ...]:
        """The CPU flags, as Linux names them."""
        return accelerator.requires.cpu_flags

    def uncheckable(self, requires: Iterable[str]) -> list[str]:
        """Those of the required CPU flags that the library could not check for when it runs."""
        return [f"CPU flag '{flag}'" for flag in requires if flag not in checkable_flags()]

    def link(self, library: NativeLibrary, shared: Path, static: Path) -> None:
        """Write the shared library and the static one; see the protocol for what is raised."""
        with tempfile.TemporaryDirectory(prefix="heron-link-") as folder:
            scratch = Path(folder)
            objects = [_kernel_object(scratch, name, kernel) for name, kernel in library.kernels]
            sources = (*library.sources, *runtime_sources(timing=False))
            objects += compile_sources(sources, (*library.includes, RUNTIME), scratch)
            link(objects, library.public, ("-lm", "-pthread"), shared, static, scratch)

    def call(self, kernel: Any, arrays: Sequence[NDArray[Any]], threads: int) -> NDArray[Any]:
        """The output of a kernel of a library that is open."""
        kernel.library.set_num_threads(threads)
        try:
            output: NDArray[Any] = kernel(*arrays)
        finally:
            kernel.library.set_num_threads(0)
        return output


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
