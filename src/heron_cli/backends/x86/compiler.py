"""The sources of heron's C runtime, and the CPU features that it knows.

It is compiled for plain x86-64: its code must run on every CPU, to tell one that lacks a feature.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

RUNTIME = Path(__file__).parent / "runtime"


def runtime_sources(*, timing: bool) -> list[Path]:
    """The C files of the runtime; with `timing` the loop of the measuring process as well."""
    return [path for path in sorted(RUNTIME.glob("*.c")) if timing or path.name != "repeat.c"]


def runtime_files() -> list[Path]:
    """Everything that the compiled runtime depends on."""
    return sorted(path for path in RUNTIME.iterdir() if path.suffix in {".c", ".h", ".inc"})


@cache
def checkable_flags() -> frozenset[str]:
    """CPU flags whose presence the runtime can check, as /proc/cpuinfo calls them."""
    table = (RUNTIME / "cpu_features.inc").read_text()
    return frozenset(re.findall(r'^FEATURE\("(\w+)"', table, re.MULTILINE))
