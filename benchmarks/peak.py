"""The peak of one core: ``python -m benchmarks.peak`` for int8 by vpdpbusd."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from threading import Barrier

from benchmarks.native import HERE, BenchmarkError, load
from benchmarks.timing import pin

MULTIPLICATIONS = 28  # vpdpbusd per iteration of the loops in peak.c
OPERATIONS = 2 * 64  # of one zmm vpdpbusd: 64 products and 64 additions
CHAIN_CYCLES = 32 * 3  # per iteration of the clock's loop
FORMS = ("register", "memory", "tile")
VPDPBUSD = "vpdpbusd"
TILE_OPERATIONS = {"tdpbusd": 2 * 16 * 16 * 64, "tdpbf16ps": 2 * 16 * 16 * 32}  # of one instruction of AMX
_TILE_PRODUCTS, _TILE_CYCLES = 6, 16  # per iteration of the loops in peak_tiles.c; of each at best


@dataclass(frozen=True, slots=True)
class Form:
    """One form of the loop: operations per second (best and median burst), instructions per cycle."""

    gops: float
    gops_median: float
    per_cycle: float


@dataclass(frozen=True, slots=True)
class Peak:
    """`register`: no memory access; `memory`: a zmm operand from L1; `tile`: 1 broadcast load per 4."""

    clock_ghz: float
    register: Form
    memory: Form
    tile: Form


def burst(iterations: int = 200_000, instruction: str = VPDPBUSD) -> float:
    """Operations per second of this core now, in registers; takes some milliseconds.

    `iterations`: of 28 vpdpbusd; of products of tiles as many as take about as long.
    """
    if instruction in TILE_OPERATIONS:
        rounds = max(1, iterations * MULTIPLICATIONS // (_TILE_PRODUCTS * _TILE_CYCLES))
        spent: float = _tiles().peak_tiles(list(TILE_OPERATIONS).index(instruction), rounds)
        return _TILE_PRODUCTS * rounds * TILE_OPERATIONS[instruction] / spent
    library = _library()
    seconds: float = library.peak_multiply(FORMS.index("register"), iterations)
    return MULTIPLICATIONS * iterations * OPERATIONS / seconds


class Together:
    """The peak of several cores at once, which can be less than the sum of what each reaches alone.

    Virtual CPUs may be two of one physical core, at times.
    """

    def __init__(self, cores: Sequence[int], instruction: str = VPDPBUSD) -> None:
        self._instruction = instruction
        self._cores, self._begin = tuple(cores), Barrier(len(cores))
        self._pool = ThreadPoolExecutor(len(self._cores))

    def burst(self, iterations: int = 200_000) -> float:
        """Operations per second of all cores together now, in registers; takes some milliseconds."""
        _tiles() if self._instruction in TILE_OPERATIONS else _library()  # before anyone waits for it
        return sum(self._pool.map(lambda core: self._on(core, iterations), self._cores))

    def _on(self, core: int, iterations: int) -> float:
        os.sched_setaffinity(0, {core})  # of this thread
        self._begin.wait()
        return burst(iterations, self._instruction)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


@cache
def _library() -> ctypes.CDLL:
    library = load(HERE / "peak.c")
    if not library.peak_supported():
        raise BenchmarkError("this CPU has no AVX-512 VNNI, so there is no vpdpbusd to measure")
    library.peak_multiply.argtypes = [ctypes.c_int32, ctypes.c_int64]
    library.peak_multiply.restype = ctypes.c_double
    library.peak_clock_chain.argtypes = [ctypes.c_int64]
    library.peak_clock_chain.restype = ctypes.c_double
    return library


@cache
def _tiles() -> ctypes.CDLL:
    library = load(HERE / "peak_tiles.c")
    if not library.peak_tiles_allowed():
        raise BenchmarkError("this CPU has no AMX, or Linux does not let this process use it (arch_prctl)")
    library.peak_tiles.argtypes = [ctypes.c_int32, ctypes.c_int64]
    library.peak_tiles.restype = ctypes.c_double
    return library


def measure(bursts: int = 40, iterations: int = 200_000) -> Peak:
    """Alternate short bursts of the clock chain and of each form; takes about 0.2 s."""
    library = _library()
    clocks: list[float] = []
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in FORMS}
    for _ in range(bursts):
        for index, name in enumerate(FORMS):
            seconds = library.peak_multiply(index, iterations)
            clock = CHAIN_CYCLES * iterations / 4 / library.peak_clock_chain(iterations // 4)
            clocks.append(clock)
            rates[name].append((MULTIPLICATIONS * iterations / seconds, clock))
    return Peak(statistics.median(clocks) / 1e9, *(_form(rates[name]) for name in FORMS))


def _form(rates: list[tuple[float, float]]) -> Form:
    speeds = [rate * OPERATIONS / 1e9 for rate, _ in rates]
    return Form(max(speeds), statistics.median(speeds), statistics.median(r / clock for r, clock in rates))


def main() -> None:
    """Print the peak as text or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", type=int, help="pin to this core (default: the last)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    core = pin(arguments.core)
    peak = measure()
    if arguments.json:
        print(json.dumps(asdict(peak), indent=2))
        return
    print(f"core {core}, clock {peak.clock_ghz:.2f} GHz")
    for name in FORMS:
        form: Form = getattr(peak, name)
        speed = f"{form.gops:7.1f} GOPS best, {form.gops_median:7.1f} median"
        print(f"{name:9s} {speed}, {form.per_cycle:.2f} per cycle of the scalar clock")


if __name__ == "__main__":
    main()
