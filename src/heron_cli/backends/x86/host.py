"""What of this machine matters to x86 kernels: CPU flags, cores, model name, caches."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterable
from pathlib import Path

from heron_cli.machine import Machine

_ARCH_PRCTL, _REQUEST_STATE, _TILE_DATA = 158, 0x1023, 18  # asm/unistd_64.h, asm/prctl.h
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_KINDS = {"Data": "d", "Instruction": "i"}  # a unified cache has no letter


class Host(Machine):
    """A machine with its caches; ``Host()`` is this one."""

    def missing_flags(self, required: Iterable[str]) -> list[str]:
        """Those of the `required` CPU flags that the machine does not have, in the order given."""
        return [flag for flag in required if flag not in self.cpu_flags]

    def cache_sizes(self) -> dict[str, int]:
        """Bytes of one instance of ``L1d``, ``L1i``, ``L2``, ``L3`` as seen from CPU 0, where Linux tells."""
        sizes: dict[str, int] = {}
        folder = self.root / "sys/devices/system/cpu/cpu0/cache"
        for entry in sorted(folder.glob("index*")):
            level, kind, size = (_read(entry / name) for name in ("level", "type", "size"))
            match = re.fullmatch(r"(\d+)([KMG]?)", size)
            if level and match is not None:  # a virtual machine may hide the size
                sizes[f"L{level}{_KINDS.get(kind, '')}"] = int(match[1]) * _UNITS[match[2]]
        return sizes


def missing_flags(required: Iterable[str]) -> list[str]:
    """Those of the `required` CPU flags that this machine does not have, in the order given."""
    return Host().missing_flags(required)


def matrices_refused() -> str:
    """Why Linux does not let this process use the matrix registers of AMX; empty if it does, from now on.

    It gives them to processes that ask, and to those that they fork (Documentation/arch/x86/xstate.rst).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_ARCH_PRCTL, _REQUEST_STATE, _TILE_DATA) == 0:
        return ""
    return f"Linux does not let this process use AMX: {os.strerror(ctypes.get_errno())}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # not every kernel has every file
        return ""
