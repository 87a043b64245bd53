"""A kernel on this process' GPU: operands are uploaded, launches are captured in a graph and replayed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Any

from heron_cli.backends.base import Kernel
from heron_cli.backends.buffers import aligned_empty
from heron_cli.backends.cuda.driver import Device, Function, Graph, Memory, Module, encode
from heron_cli.backends.cuda.exclusive import exclusive

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]

_NODES = 50  # launches of one graph


def alone() -> AbstractContextManager[None]:
    """Waits until no other process of heron's uses the GPU; see `exclusive`."""
    return exclusive(device().identity)


@cache
def device() -> Device:
    """The GPU; initialised once a process, after it was forked."""
    return Device()


class DeviceKernel:
    """See `heron_cli.backends.base.LoadedKernel`. Buffers are arrays of the host."""

    def __init__(self, kernel: Kernel) -> None:
        self._device = device()
        self._module = Module(kernel.code)
        launch, self._packed = kernel.launch, kernel.packed
        grid = (launch["blocks"], launch["split"], 1)
        sizes = (grid, launch["threads"], launch["shared"], bool(launch.get("overlap")))
        self._run = Function(self._module, kernel.symbol, *sizes)
        self._maps = launch.get("maps", ())
        self._pack = None
        if self._packed is not None:
            blocks = (launch["pack_blocks"], 1, 1)
            symbol = f"{kernel.symbol}_pack"
            self._pack = Function(self._module, symbol, blocks, launch["pack_threads"], 0)
        self._memories: list[Memory] = []
        self._graphs: dict[int, Graph] = {}

    def pack(self, weight: Array) -> NDArray[np.uint8]:
        """The packed form of the weight."""
        assert self._pack is not None and self._packed is not None and self._packed.packed_bytes is not None
        source, target = Memory(weight.nbytes), Memory(self._packed.packed_bytes)
        result = aligned_empty((target.size,), "uint8")
        try:
            with alone():
                source.write(weight.ctypes.data)
                self._pack.launch(self._device.stream, [source.address, target.address])
                self._device.synchronise()
                target.read(result.ctypes.data)
        finally:
            source.free()
            target.free()
        return result

    def call(self, buffers: Sequence[Array]) -> None:
        """Upload all operands, the output's old content included; run; fetch the output."""
        with alone():
            self._upload(buffers)
            self._launch()
            self._device.synchronise()
            self._memories[-1].read(buffers[-1].ctypes.data)

    def repeat(self, buffers: Sequence[Array], count: int) -> float:
        """Seconds for `count` calls in a row, without the gaps that launching leaves."""
        nodes = min(count, _NODES)
        replays = ceil(count / nodes)
        with alone():
            if not self._memories:
                self._upload(buffers)
            if nodes not in self._graphs:
                self._graphs[nodes] = Graph(self._device, lambda: self._launch(nodes))
            return self._graphs[nodes].replay(replays) * count / (replays * nodes)

    def fetch(self, buffers: Sequence[Array]) -> None:
        """Copy the output to the host: after the timing, since it can take longer than the calls."""
        with alone():
            self._memories[-1].read(buffers[-1].ctypes.data)

    def _upload(self, buffers: Sequence[Array]) -> None:
        if [memory.size for memory in self._memories] != [buffer.nbytes for buffer in buffers]:
            self._release()
            self._memories = [Memory(buffer.nbytes) for buffer in buffers]
        for memory, buffer in zip(self._memories, buffers, strict=True):
            memory.write(buffer.ctypes.data)

    def _launch(self, times: int = 1) -> None:
        maps = [encode(each, self._memories[each["operand"]].address) for each in self._maps]
        arguments = [*(memory.address for memory in self._memories), *maps]
        for _ in range(times):
            self._run.launch(self._device.stream, arguments)

    def _release(self) -> None:
        for graph in self._graphs.values():
            graph.close()
        for memory in self._memories:
            memory.free()
        self._graphs, self._memories = {}, []

    def close(self) -> None:
        """Give the GPU back what the kernel holds."""
        self._release()
        self._module.unload()
