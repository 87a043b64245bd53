from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks import peak
from benchmarks.native import HERE, BenchmarkError, compile_library
from heron_cli.backends.x86.host import missing_flags

EMULATOR = HERE.parent / "tests" / "backends" / "x86" / "matrix.c"
HAS_TILES = not missing_flags(["amx_tile", "amx_int8", "amx_bf16"])
RUN = "import ctypes, sys; d = ctypes.CDLL(sys.argv[1]).peak_tiles; [d(i, ctypes.c_int64(3)) for i in (0, 1)]"


def test_a_round_has_as_many_products_of_tiles_as_are_counted() -> None:
    library = compile_library(HERE / "peak_tiles.c")
    command = ["objdump", "-d", "--no-show-raw-insn", str(library)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for instruction in peak.TILE_OPERATIONS:
        assert listing.count(f"{instruction} ") == peak._TILE_PRODUCTS


@pytest.mark.skipif(HAS_TILES, reason="this CPU has AMX")
def test_the_shapes_of_tiles_suit_the_products() -> None:
    """The emulator ends the process where a CPU would raise a fault."""
    library = compile_library(HERE / "peak_tiles.c", ["-march=x86-64-v3"], [str(EMULATOR)])
    assert subprocess.run([sys.executable, "-c", RUN, library], check=False).returncode == 0


@pytest.mark.skipif(HAS_TILES, reason="this CPU has AMX")
def test_a_cpu_without_tiles_is_told_in_one_line() -> None:
    with pytest.raises(BenchmarkError, match="this CPU has no AMX, or Linux does not let"):
        peak.burst(instruction="tdpbusd")


@pytest.mark.skipif(not HAS_TILES, reason="needs AMX")
@pytest.mark.parametrize("instruction", peak.TILE_OPERATIONS)
def test_tiles_are_multiplied_on_the_hardware(instruction: str) -> None:
    assert peak.burst(1000, instruction) > 0
