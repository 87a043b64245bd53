"""What this machine is: CPU flags, caches, cores, model name (Linux, x86-64)."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_SUFFIXES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True, slots=True)
class Host:
    """The machine that this process runs on.

    `flags` are the names of /proc/cpuinfo. `caches` maps ``L1d``, ``L1i``, ``L2``, ``L3`` to bytes of one
    instance as seen from CPU 0. `cpus` counts the CPUs that this process may run on.
    """

    model: str
    architecture: str
    flags: frozenset[str]
    caches: dict[str, int]
    cpus: int

    def missing_flags(self, required: Iterable[str]) -> list[str]:
        """Those of the `required` CPU flags that this machine does not have, in the order given."""
        return [flag for flag in required if flag not in self.flags]


@cache
def host() -> Host:
    """The machine that this process runs on, read once."""
    return read_host(_CPUINFO, _CACHES)


def missing_flags(required: Iterable[str]) -> list[str]:
    """Those of the `required` CPU flags that this machine does not have, in the order given."""
    return host().missing_flags(required)


def read_host(cpuinfo: Path, caches: Path) -> Host:
    """Parse the files that Linux describes the CPU in; what is not there reads as empty."""
    fields: dict[str, str] = {}
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            key, colon, value = line.partition(":")
            if colon:
                fields.setdefault(key.strip(), value.strip())
    return Host(
        model=fields.get("model name", "") or platform.processor() or "unknown CPU",
        architecture=platform.machine(),
        flags=frozenset(fields.get("flags", "").split()),
        caches=_read_caches(caches),
        cpus=len(os.sched_getaffinity(0)),
    )


def _read_caches(folder: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for entry in sorted(folder.glob("index*")):
        try:
            level, kind, size = ((entry / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue  # a virtual machine may hide the size of a cache
        match = re.fullmatch(r"(\d+)([KMG]?)", size)
        if match is not None:
            suffix = {"Data": "d", "Instruction": "i"}.get(kind, "")
            sizes[f"L{level}{suffix}"] = int(match[1]) * _SUFFIXES[match[2]]
    return sizes
