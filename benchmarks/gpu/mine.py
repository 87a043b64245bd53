"""heron's kernel on PyTorch's tensors and stream: both sides are captured and timed by the same code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from heron_cli.backends.base import Kernel
from heron_cli.backends.cuda.driver import Device, Function, Module, encode


class Mine:
    """A built kernel in the GPU's memory; `alone`: it does not begin before the one before it has ended."""

    def __init__(self, kernel: Kernel, alone: bool = False) -> None:
        self.kernel, self._device, launch = kernel, Device(), kernel.launch
        self._module = Module(kernel.code)
        grid = (launch["blocks"], launch["split"], 1)
        overlap = bool(launch.get("overlap")) and not alone
        sizes = (grid, launch["threads"], launch["shared"], overlap)
        self._run = Function(self._module, kernel.symbol, *sizes)
        self._pack = None
        if kernel.packed is not None:
            blocks = (launch["pack_blocks"], 1, 1)
            self._pack = Function(self._module, f"{kernel.symbol}_pack", blocks, launch["pack_threads"], 0)

    def prepared(self, tensors: Mapping[str, Any]) -> list[Any]:
        """The operands in the order of the call, the constant one packed."""
        return [
            tensors[operand.name] if operand.packed_bytes is None else self._packed(tensors[operand.name])
            for operand in self.kernel.operands[:-1]
        ]

    def _packed(self, weight: Any) -> Any:
        import torch

        assert self._pack is not None and self.kernel.packed is not None
        packed = torch.empty(self.kernel.packed.packed_bytes, dtype=torch.uint8, device="cuda")
        self._pack.launch(stream(), [_address(weight), _address(packed)])
        torch.cuda.synchronize()
        return packed

    def empty(self) -> Any:
        """An output of NaN or -1, so that what is not written shows."""
        import torch

        output = self.kernel.output
        made = torch.empty(output.shape, dtype=getattr(torch, output.dtype), device="cuda")
        made.view(torch.uint8).fill_(0xFF)
        return made

    def call(self, operands: list[Any], output: Any) -> Callable[[], None]:
        """A launch on PyTorch's current stream. The call keeps the tensors alive."""
        tensors = [*operands, output]
        maps = [
            encode(each, _address(tensors[each["operand"]])) for each in self.kernel.launch.get("maps", ())
        ]
        arguments = [*map(_address, tensors), *maps]
        return partial(_launch, self._run, arguments, tensors)


def _launch(run: Function, arguments: list[Any], tensors: list[Any]) -> None:
    run.launch(stream(), arguments)


def _address(tensor: Any) -> Any:
    from ctypes import c_uint64

    return c_uint64(tensor.data_ptr())


def stream() -> Any:
    """PyTorch's current stream, for the driver."""
    from ctypes import c_void_p

    import torch

    return c_void_p(torch.cuda.current_stream().cuda_stream)
