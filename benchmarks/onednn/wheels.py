"""Where the installed oneDNN wheels keep their library and headers."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from benchmarks.native import BenchmarkError

RUNTIME, DEVELOPMENT = "onednn-cpu-gomp", "onednn-devel-cpu-gomp"
VERSION = "2023.2.0"  # oneDNN 3.2; later wheels are SYCL-only: no CPU without Intel's OpenCL runtime


@dataclass(frozen=True, slots=True)
class Installation:
    """The directories to compile against and the version of the wheel."""

    include: Path
    library: Path
    version: str


def find() -> Installation:
    """The installed wheels; raises BenchmarkError that names the one that is missing."""
    header = _locate(DEVELOPMENT, "include/oneapi/dnnl/dnnl.hpp")
    library = _locate(RUNTIME, "libdnnl.so")
    return Installation(header.parents[2], library.parent, metadata.version(RUNTIME))


def _locate(distribution: str, ending: str) -> Path:
    install = f"pip install {RUNTIME}=={VERSION} {DEVELOPMENT}=={VERSION}"
    try:
        files = metadata.distribution(distribution).files or []
    except metadata.PackageNotFoundError:
        raise BenchmarkError(f"the wheel {distribution} is not installed: {install}") from None
    for file in files:
        if file.as_posix().endswith(ending):
            path = Path(str(file.locate())).resolve()
            if path.exists():
                return path
    raise BenchmarkError(f"the wheel {distribution} holds no {ending}; reinstall it: {install}")
