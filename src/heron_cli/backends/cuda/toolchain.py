"""Link cubins and generated C into a library that needs nothing of CUDA but the driver, when it is called."""

from __future__ import annotations

import platform
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heron_cli.backends.linking import compile_sources, link
from heron_cli.errors import HeronError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.accelerator.model import Accelerator
    from heron_cli.backends.base import Kernel
    from heron_cli.library.toolchain import NativeLibrary

RUNTIME = Path(__file__).parent / "runtime"
_ARCHITECTURE = re.compile(r"sm_\d{2,3}[af]?")  # as runtime/modules.c reads it


class CudaToolchain:
    """The C compiler and binutils of this machine (`heron_cli.library.toolchain.Toolchain`)."""

    platform = f"linux-{platform.machine()}-cuda"
    memory = "device"

    def requires(self, accelerator: Accelerator) -> tuple[str, ...]:
        """The architecture that kernels are compiled for."""
        return (str(accelerator.tvm_target["arch"]),)

    def uncheckable(self, requires: Iterable[str]) -> list[str]:
        """Names of architectures that the library could not compare with the GPU's compute capability."""
        return [f"GPU architecture '{name}'" for name in requires if not _ARCHITECTURE.fullmatch(name)]

    def link(self, library: NativeLibrary, shared: Path, static: Path) -> None:
        """Write the shared library and the static one; see the protocol for what is raised."""
        with tempfile.TemporaryDirectory(prefix="heron-link-") as folder:
            scratch = Path(folder)
            sources = self.sources(library, scratch)
            objects = compile_sources(sources, (*library.includes, RUNTIME), scratch)
            link(objects, library.public, ("-ldl", "-pthread"), shared, static, scratch)

    def sources(self, library: NativeLibrary, scratch: Path) -> list[Path]:
        """All C files of the library, one of which takes in the cubins, which are written to `scratch`."""
        embedded = scratch / "cubins.c"
        embedded.write_text("".join(_embedded(scratch, name, kernel) for name, kernel in library.kernels))
        return [embedded, *library.sources, *sorted(RUNTIME.glob("*.c"))]

    def call(self, kernel: Any, arrays: Sequence[NDArray[Any]], threads: int) -> NDArray[Any]:
        """The output of a kernel of a library that is open, on the first GPU."""
        from heron_cli.backends.cuda.device_array import run_on_device
        from heron_cli.backends.cuda.driver import CudaError

        try:
            return run_on_device(kernel, arrays)
        except CudaError as error:
            raise HeronError(f"nothing was exported: {kernel.workload}: {error}") from error


def _embedded(scratch: Path, name: str, kernel: Kernel) -> str:
    """C text that defines NAME_code; an array would take a compiler seconds for each megabyte."""
    cubin = scratch / f"{name}.cubin"
    cubin.write_bytes(kernel.code)
    return (
        "__asm__(\n"
        '  ".pushsection .rodata\\n.balign 64\\n"\n'
        f'  ".globl {name}_code\\n{name}_code:\\n"\n'
        f'  ".incbin \\"{cubin}\\"\\n.popsection\\n");\n'
    )


toolchain = CudaToolchain()
