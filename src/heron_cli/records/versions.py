"""The versions that a record carries, found without importing the packages themselves."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata
from pathlib import Path

from .. import __version__

_DISTRIBUTIONS = {"tvm": "apache-tvm", "ortools": "ortools", "lightgbm": "lightgbm"}


@cache
def _installed() -> tuple[tuple[str, str], ...]:
    found = {"heron": __version__, "python": platform.python_version(), "cpu": cpu_model()}
    for name, distribution in _DISTRIBUTIONS.items():
        try:
            found[name] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return tuple(sorted(found.items()))


def current_versions() -> dict[str, str]:
    """The toolchain of this process: heron, tvm, ortools, lightgbm, python and the CPU's model name."""
    return dict(_installed())


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's model name, or the machine's architecture where the system does not tell."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
