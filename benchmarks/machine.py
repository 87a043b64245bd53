"""What a report says about where it was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from benchmarks.native import HERE, BenchmarkError
from benchmarks.onednn import wheels

PACKAGES = ("apache-tvm", "apache-tvm-ffi", "ortools", "lightgbm", "numpy")
FLAGS = ("avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8", "amx_bf16")


def describe(core: int) -> dict[str, str]:
    """Label → text: CPU, caches, system and versions."""
    fields = _cpu(core)
    flags = fields.get("flags", "").split()
    model = f"family {fields.get('cpu family', '?')} model {fields.get('model', '?')}"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "CPU": f"{fields.get('model name', '?')} ({model}; {', '.join(f for f in FLAGS if f in flags)})",
        "cores": f"{os.cpu_count()}, measured on core {core}"
        + (" (virtual)" if "hypervisor" in flags else ""),
        "caches": _caches(core),
        "memory": f"{memory:.0f} GiB, transparent huge pages: {_huge_pages()}",
        "system": f"Linux {platform.release()}, {platform.libc_ver()[0]} {platform.libc_ver()[1]}",
        "compiler": _first_line(["cc", "--version"]),
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "oneDNN": _onednn(),
        "heron": _first_line(["git", "-C", str(HERE), "describe", "--always", "--dirty", "--abbrev=12"]),
    }


def _onednn() -> str:
    try:
        return wheels.find().version
    except BenchmarkError:
        return "none"


def _cpu(core: int) -> dict[str, str]:
    for block in Path("/proc/cpuinfo").read_text().split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        fields = {key.strip(): value.strip() for key, _, value in pairs}
        if fields.get("processor") == str(core):
            return fields
    return {}


def _caches(core: int) -> str:
    found = []
    for index in sorted(Path(f"/sys/devices/system/cpu/cpu{core}/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        found.append(f"L{level} {kind.lower()} {size}")
    return ", ".join(found) or "unknown"


def _huge_pages() -> str:
    path = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    text = path.read_text() if path.exists() else ""
    return text[text.find("[") + 1 : text.find("]")] or "unknown"


def _first_line(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.partition("\n")[0] if done.returncode == 0 else "unknown"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
