"""Facts about this machine, read from Linux's files; `root` lets tests read another machine's."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """What /proc and /sys say; a property is None, or empty, where the system does not tell."""

    root: Path = Path("/")

    @cached_property
    def _cpuinfo(self) -> dict[str, str]:
        """The first processor's entries."""
        entries: dict[str, str] = {}
        for line in self._read("proc/cpuinfo").splitlines():
            name, colon, value = line.partition(":")
            if colon:
                entries.setdefault(name.strip(), value.strip())
        return entries

    @property
    def cpu_model(self) -> str:
        """The CPU's name, or the architecture's."""
        return self._cpuinfo.get("model name") or platform.machine()

    @property
    def cpu_flags(self) -> frozenset[str]:
        """Instruction set extensions, as the kernel calls them."""
        return frozenset((self._cpuinfo.get("flags") or self._cpuinfo.get("Features", "")).split())

    @property
    def cores(self) -> int:
        """Processors that this process may run on."""
        return len(os.sched_getaffinity(0))

    @property
    def cpu_quota(self) -> float | None:
        """Processors that the control group grants, None where it sets no limit."""
        parts = self._read("sys/fs/cgroup/cpu.max").split()
        if len(parts) != 2 or parts[0] == "max":
            return None
        return int(parts[0]) / int(parts[1])

    @property
    def governor(self) -> str:
        """How the first processor's frequency is chosen; empty where the machine does not let one choose."""
        return self._read("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip()

    @property
    def clock(self) -> tuple[float | None, float | None]:
        """MHz of the first processor: now, and at most."""
        now = self._cpuinfo.get("cpu MHz")
        most = self._read("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").strip()
        return (float(now) if now else None, int(most) / 1000 if most.isdigit() else None)

    @property
    def turbo(self) -> bool | None:
        """Whether the processor may exceed its base clock for a while."""
        for path, on in (
            ("sys/devices/system/cpu/intel_pstate/no_turbo", "0"),
            ("sys/devices/system/cpu/cpufreq/boost", "1"),
        ):
            if text := self._read(path).strip():
                return text == on
        return None

    @property
    def threads_per_core(self) -> int:
        """How many processors share the first core."""
        text = self._read("sys/devices/system/cpu/cpu0/topology/thread_siblings_list").strip()
        return max(1, sum(_width(part) for part in text.split(",") if part))

    @property
    def load(self) -> float | None:
        """Processes that wanted to run in the last minute, on average."""
        parts = self._read("proc/loadavg").split()
        return float(parts[0]) if parts else None

    @property
    def free_bytes(self) -> int | None:
        """Memory that can still be had, within the control group's limit."""
        free = self._meminfo("MemAvailable")
        limit, used = (self._read(f"sys/fs/cgroup/memory.{name}").strip() for name in ("max", "current"))
        if limit.isdigit() and used.isdigit():
            granted = max(0, int(limit) - int(used))
            return granted if free is None else min(free, granted)
        return free

    def _meminfo(self, name: str) -> int | None:
        for line in self._read("proc/meminfo").splitlines():
            key, _, value = line.partition(":")
            if key == name:
                return int(value.split()[0]) * 1024
        return None

    def _read(self, path: str) -> str:
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace")
        except OSError:  # not every kernel and container has every file
            return ""


def _width(span: str) -> int:
    """How many numbers `3` or `0-1` names."""
    first, dash, last = span.partition("-")
    return int(last) - int(first) + 1 if dash else 1
