"""Use a library of kernels that heron exported, from Python. Needs numpy and nothing else of heron.

    library = load("build/kernels")
    kernel = library.find("gemm", m=128, n=768, k=768)
    weight = kernel.pack(weight_array)          # once per model
    output = kernel(input_array, weight)        # numpy arrays or anything that speaks DLPack

For a library of GPU kernels the arrays are tensors in the GPU's memory, of torch, CuPy or anything that
speaks DLPack or __cuda_array_interface__. A copy of this package lies in every exported library as
``python/heron_kernels``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .arrays import aligned_empty
from .device import DeviceKernel, DeviceLibrary
from .errors import LibraryError, MachineError
from .host import HostKernel, HostLibrary
from .kernel import Kernel, PackedOperand
from .library import Library
from .manifest import read as read_manifest

__all__ = [
    "DeviceKernel",
    "DeviceLibrary",
    "HostKernel",
    "HostLibrary",
    "Kernel",
    "Library",
    "LibraryError",
    "MachineError",
    "PackedOperand",
    "aligned_empty",
    "load",
]

_LIBRARIES: dict[Any, type[HostLibrary] | type[DeviceLibrary]] = {
    "host": HostLibrary,
    "device": DeviceLibrary,
}


def load(path: Path | str) -> HostLibrary | DeviceLibrary:
    """Open the library in the exported directory `path`.

    Raises LibraryError when it is damaged, MachineError when this machine can run none of its kernels.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    memory = manifest.get("memory")
    if memory not in _LIBRARIES:
        raise LibraryError(f"{folder}: it holds programs, which heron vta run executes, not a shared library")
    return _LIBRARIES[memory](folder, manifest)
