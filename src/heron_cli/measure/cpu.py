"""Which cores time kernels and which build them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from heron_cli.errors import InputError

_TOPOLOGY = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class CpuPlan:
    """`measure` cores run kernels, `build` cores compilers; `overlap` says that they may work at once."""

    measure: tuple[int, ...]
    build: tuple[int, ...]
    overlap: bool


def plan(threads: int, usable: Iterable[int] | None = None, topology: Path = _TOPOLOGY) -> CpuPlan:
    """Divide the cores this process may use.

    Kernels get `threads` cores, on different physical cores while there are enough, counted from the end
    since interrupts and daemons favour the first ones. Builds get the others, without hardware threads
    that share a core with a kernel if that leaves any; when nothing is left, builds and timing take turns.
    Raises InputError when there are fewer cores than threads.
    """
    cores = sorted(os.sched_getaffinity(0) if usable is None else usable)
    if not 1 <= threads <= len(cores):
        raise InputError(f"{threads} threads cannot be measured: this process may use {len(cores)} cores")
    siblings = {core: _siblings(core, topology) for core in cores}
    firsts = [core for core in cores if core == min(siblings[core] & set(cores))]
    ranked = [*reversed(firsts), *reversed([core for core in cores if core not in firsts])]
    measure = set(ranked[:threads])
    rest = [core for core in cores if core not in measure]
    apart = [core for core in rest if not siblings[core] & measure]
    build = apart or rest
    return CpuPlan(tuple(sorted(measure)), tuple(build or cores), overlap=bool(build))


def _siblings(core: int, topology: Path) -> set[int]:
    """Hardware threads of the physical core that `core` belongs to, itself included."""
    try:
        text = (topology / f"cpu{core}" / "topology" / "thread_siblings_list").read_text()
    except OSError:  # not every virtual machine tells
        return {core}
    found = {core}
    for part in text.strip().split(","):
        low, _, high = part.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return found
