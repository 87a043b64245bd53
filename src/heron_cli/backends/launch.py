"""How kernels are launched: from `Kernel.launch` to what a library writes down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heron_cli.backends.base import Kernel

VERSION = 2
MOST_PARAMETERS, MOST_MAPS = 16, 4  # of library/c/device/device.h


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a kernel is passed for one parameter: the address of the operand at a place of the call.

    With `map` it is a tensor map, which the host makes of the address: as `cuda.maps.TensorMap.describe` says
    it. Another kind would be a field here and in `heron_parameter` of library/c/device/device.h, a branch in
    the back end's launch function, and a new VERSION.
    """

    operand: int
    map: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """One function of a kernel's code: blocks along each axis, threads of a block, bytes of shared memory.

    With `overlap` it may begin while the kernel launched before it on the stream ends: it waits by itself
    before it touches memory.
    """

    function: str
    grid: tuple[int, int, int]
    threads: int
    shared: int
    parameters: tuple[Parameter, ...]
    overlap: bool = False

    def described(self) -> dict[str, Any]:
        """For a manifest."""
        return {"version": VERSION, **asdict(self), "grid": list(self.grid)}


def run_launch(kernel: Kernel) -> Launch:
    """How the kernel itself is launched."""
    sizes = kernel.launch
    grid = (sizes["blocks"], sizes["split"], 1)
    operands = map(Parameter, range(len(kernel.operands)))
    maps = [Parameter(each["operand"], each) for each in sizes.get("maps", ())]
    parameters = (*operands, *maps)
    assert len(parameters) <= MOST_PARAMETERS and len(maps) <= MOST_MAPS, "more than a launch can pass"
    return Launch(
        kernel.symbol, grid, sizes["threads"], sizes["shared"], parameters, bool(sizes.get("overlap"))
    )


def pack_launch(kernel: Kernel) -> Launch | None:
    """How the function that packs the constant operand is launched; None where nothing is packed."""
    if kernel.packed is None:
        return None
    sizes = kernel.launch
    grid = (sizes["pack_blocks"], 1, 1)
    return Launch(f"{kernel.symbol}_pack", grid, sizes["pack_threads"], 0, (Parameter(0), Parameter(1)))
