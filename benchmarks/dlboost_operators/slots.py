"""Cores for pieces of work that run side by side: one for a thread, different physical ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_TOPOLOGY = Path("/sys/devices/system/cpu")
_TOGETHER = 1.4  # two CPUs of one core share its loads: 1; of two cores: 2


@dataclass(frozen=True, slots=True)
class Slot:
    """Cores that one process has for itself."""

    threads: int
    cores: tuple[int, ...]


def physical(usable: Iterable[int] | None = None, topology: Path = _TOPOLOGY) -> list[int]:
    """One logical CPU of each physical core that this process may use."""
    found: dict[tuple[str, str], int] = {}
    for cpu in sorted(os.sched_getaffinity(0) if usable is None else usable):
        folder = topology / f"cpu{cpu}" / "topology"
        try:
            names = ("physical_package_id", "core_id")
            package, core = ((folder / name).read_text().strip() for name in names)
        except OSError:  # not every virtual machine tells
            package, core = "", str(cpu)
        found.setdefault((package, core), cpu)
    return list(found.values())


def apart(cores: list[int], together: Callable[[int, int], float]) -> list[int]:
    """One CPU of each physical core where a virtual machine presents two of one as cores.

    `together` says how much faster two CPUs are than one of them, about 1 for two of one core. Neighbours, or
    CPUs half of all apart, are two of one core where all pairs that are looked at are.
    """
    half = len(cores) // 2
    if len(cores) < 4 or len(cores) % 2:
        return cores
    for first, second in ((cores[::2], cores[1::2]), (cores[:half], cores[half:])):
        pairs = list(zip(first, second, strict=True))
        if all(together(*pair) < _TOGETHER for pair in (pairs[0], pairs[half // 2], pairs[-1])):
            return first
    return cores


def divide(cores: list[int], threads: int) -> list[Slot]:
    """As many slots for so many threads as there are cores for."""
    return [Slot(threads, tuple(cores[i : i + threads])) for i in range(0, len(cores) - threads + 1, threads)]


def rounds(cores: list[int], threads: Iterable[int]) -> list[list[Slot]]:
    """Share cores so that work on one thread and on two would end together: every thread costs a core.

    Slots of a round work side by side. Where the cores are too few for both kinds, there is a round of each.
    """
    kinds = sorted(set(threads))
    singles = max(1, len(cores) // 3)
    singles += (len(cores) - singles) % 2
    if len(kinds) == 2 and singles < len(cores):
        return [[*divide(cores[:singles], 1), *divide(cores[singles:], 2)]]
    return [each for each in (divide(cores, kind) for kind in kinds) if each]
