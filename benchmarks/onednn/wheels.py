"""Where oneDNN's library and headers are: in the installed wheels, or in a build of one's own.

A build for GNU's OpenMP (``cmake -DDNNL_CPU_RUNTIME=OMP``, then ``cmake --install``) is used where
ONEDNN_ROOT names its folder.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from benchmarks.native import BenchmarkError

ROOT = "ONEDNN_ROOT"
RUNTIME, DEVELOPMENT = "onednn-cpu-gomp", "onednn-devel-cpu-gomp"
VERSION = "2023.2.0"  # oneDNN 3.2; later wheels are SYCL-only: no CPU without Intel's OpenCL runtime


@dataclass(frozen=True, slots=True)
class Installation:
    """The directories to compile against, and what it is with its version."""

    include: Path
    library: Path
    version: str


def find(root: str = "") -> Installation:
    """The build in `root`, else ONEDNN_ROOT, else the wheels; raises BenchmarkError: what is missing."""
    if root := root or os.environ.get(ROOT, ""):
        return _built(Path(root))
    header = _locate(DEVELOPMENT, "include/oneapi/dnnl/dnnl.hpp")
    library = _locate(RUNTIME, "libdnnl.so")
    return Installation(header.parents[2], library.parent, f"{RUNTIME} {metadata.version(RUNTIME)}")


def _built(root: Path) -> Installation:
    include = root / "include"
    libraries = [folder for folder in (root / "lib", root / "lib64") if (folder / "libdnnl.so").exists()]
    try:
        text = (include / "oneapi/dnnl/dnnl_version.h").read_text()
    except OSError:
        text = ""
    numbers = re.findall(r"#define DNNL_VERSION_(?:MAJOR|MINOR|PATCH)\s+(\d+)", text)
    if not libraries or len(numbers) != 3:
        raise BenchmarkError(f"{root}: no include/oneapi/dnnl/dnnl_version.h and lib/libdnnl.so in it")
    return Installation(include, libraries[0], f"{'.'.join(numbers)} built from source")


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
