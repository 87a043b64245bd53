"""Use a library of kernels that heron exported, from Python. Needs numpy and nothing else of heron.

    library = load("build/kernels")
    kernel = library.find("gemm", m=128, n=768, k=768)
    weight = kernel.pack(weight_array)          # once per model
    output = kernel(input_array, weight)        # numpy arrays or anything that speaks DLPack

A copy of this package lies in every exported library as ``python/heron_kernels``.
"""

from __future__ import annotations

from pathlib import Path

from .arrays import aligned_empty
from .errors import LibraryError, MachineError
from .kernel import Kernel, PackedOperand
from .library import Library

__all__ = ["Kernel", "Library", "LibraryError", "MachineError", "PackedOperand", "aligned_empty", "load"]


def load(path: Path | str) -> Library:
    """Open the library in the exported directory `path`. Raises LibraryError."""
    return Library(path)
