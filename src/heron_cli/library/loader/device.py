"""Libraries for a GPU, on tensors in its memory."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import LibraryError, MachineError
from .kernel import Kernel, PackedOperand
from .library import Library
from .producers import common_stream, empty, given_stream
from .tensors import DeviceTensor, check_tensor, device_tensor

_TOLD = (2, 6, 7, 8)  # heron_status of which heron_last_error says more


class DeviceKernel(Kernel):
    """See `Kernel`. Calls return when the work is queued on the stream."""

    library: DeviceLibrary

    def __init__(self, library: DeviceLibrary, index: int, entry: Mapping[str, Any]) -> None:
        super().__init__(library, entry)
        self.index = index
        self.packs = entry["pack_launch"] is not None
        self.obstacle = library.obstacle(index)

    def __call__(self, *operands: Any, out: Any = None, stream: Any = None) -> Any:
        """The result, written to `out` when that is given.

        Operands are tensors of the GPU that speak DLPack or __cuda_array_interface__; nothing is copied. A
        constant operand may be the result of `pack` or the tensor itself, which is then packed in this call.
        Without `stream` the kernel runs on the current stream of the operands' library, the default stream
        where that does not say. Without `out` a tensor of the same library is made. Raises LibraryError.
        """
        pairs = self.paired(operands)
        values = [value.data if isinstance(value, PackedOperand) else value for _, value in pairs]
        handle = common_stream(values) if stream is None else given_stream(stream)
        sync = None if stream is None else handle
        output = self.operands[-1]
        tensors = [self._tensor(operand, value, handle, sync) for operand, value in pairs]
        if out is None:
            out = self._empty(values, output)
        target = device_tensor(output["name"], out, sync)
        check_tensor(output, target, self.library.alignment)
        if not target.writable:
            raise LibraryError(f"'{output['name']}' must be writable")
        tensors.append(target)
        self.launch([tensor.address for tensor in tensors], _device(tensors), handle)
        return out

    def pack(self, constant: Any, *, out: Any = None, stream: Any = None) -> PackedOperand:
        """The packed form of the constant operand, for any number of calls, queued on the stream.

        `out` is a tensor of uint8 for it. A kernel that takes the operand as it is shares its memory. Raises
        LibraryError.
        """
        operand = self.constant()
        handle = common_stream([constant]) if stream is None else given_stream(stream)
        sync = None if stream is None else handle
        source = device_tensor(operand["name"], constant, sync)
        check_tensor(operand, source, self.library.alignment)
        if not self.packs:
            return PackedOperand(self, constant)
        form = _packed(operand)
        if out is None:
            out = self._empty([constant], form)
        target = device_tensor(form["name"], out, sync)
        check_tensor(form, target, self.library.alignment)
        self.launch_pack(source.address, target.address, _device([source, target]), handle)
        return PackedOperand(self, out)

    def launch(self, addresses: Sequence[int], device: int, stream: int) -> None:
        """Queue the kernel on operands that are known to fit, by their addresses. Raises LibraryError."""
        pointers = (ctypes.c_void_p * len(addresses))(*addresses)
        status = self.library.native.heron_kernel_run(
            ctypes.c_size_t(self.index), ctypes.c_int32(device), pointers, ctypes.c_size_t(len(addresses)),
            ctypes.c_void_p(stream),
        )  # fmt: skip
        self.library.check(status, self.workload)

    def launch_pack(self, source: int, packed: int, device: int, stream: int) -> None:
        """Queue the function that packs, by addresses. Raises LibraryError."""
        pointers = map(ctypes.c_void_p, (source, packed, stream))
        status = self.library.native.heron_kernel_pack(
            ctypes.c_size_t(self.index), ctypes.c_int32(device), *pointers
        )
        self.library.check(status, self.workload)

    def _tensor(self, operand: Mapping[str, Any], value: Any, handle: int, sync: int | None) -> DeviceTensor:
        if operand["packed_bytes"] is not None:
            packed = value if isinstance(value, PackedOperand) else self.pack(value, stream=handle)
            value = self.own(operand["name"], packed)
            operand = _packed(operand) if self.packs else operand
        tensor = device_tensor(operand["name"], value, sync)
        check_tensor(operand, tensor, self.library.alignment)
        return tensor

    def _empty(self, like: Sequence[Any], operand: Mapping[str, Any]) -> Any:
        made = empty(like, tuple(operand["shape"]), operand["dtype"])
        if made is None:
            raise LibraryError(
                f"give out= for '{operand['name']}': only of torch and CuPy is known how they make tensors"
            )
        return made


class DeviceLibrary(Library):
    """See `Library`."""

    kernels: list[DeviceKernel]

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        super().__init__(path, manifest)
        self.alignment: int = manifest["alignment"]
        self.kernels = [DeviceKernel(self, index, entry) for index, entry in enumerate(manifest["kernels"])]
        obstacles = [kernel.obstacle for kernel in self.kernels if kernel.obstacle is not None]
        if len(obstacles) == len(self.kernels):
            raise MachineError(f"{self.path}: no kernel can run on this machine: {obstacles[0]}")

    def obstacle(self, index: int) -> str | None:
        """Why the current GPU cannot run the kernel at this index of the manifest; None when it can."""
        status = self.native.heron_kernel_ready(ctypes.c_size_t(index))
        return None if status == 0 else self.reason(status)

    def reason(self, status: int, detail: str = "") -> str:
        """A status in words, with what the driver said."""
        return super().reason(status, detail or (self.last_error() if status in _TOLD else ""))


def _packed(operand: Mapping[str, Any]) -> dict[str, Any]:
    """The packed form of an operand, as an operand."""
    return {"name": f"packed {operand['name']}", "shape": (operand["packed_bytes"],), "dtype": "uint8"}


def _device(tensors: Sequence[DeviceTensor]) -> int:
    """The GPU of all of them; -1, the current one, when their libraries do not say."""
    found = sorted({tensor.device for tensor in tensors} - {-1})
    if len(found) > 1:
        raise LibraryError(f"the operands are on different GPUs: {', '.join(map(str, found))}")
    return found[0] if found else -1
