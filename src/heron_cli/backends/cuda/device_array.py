"""Call a kernel of an exported library on the first GPU, without torch or CuPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from heron_cli.backends.cuda.device_kernel import device
from heron_cli.backends.cuda.driver import Memory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]


class DeviceArray:
    """A copy of an array in the GPU's memory; speaks __cuda_array_interface__. Close it."""

    def __init__(self, array: Array) -> None:
        self.memory = Memory(array.nbytes)
        self._shape, self._dtype = array.shape, array.dtype
        self.memory.write(array.ctypes.data)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        # numpy's letters have no bfloat16; its 16 bits are what the kernel wants to see
        kind = f"<u{self._dtype.itemsize}" if self._dtype.kind == "V" else self._dtype.str
        address = self.memory.address.value
        return {
            "shape": self._shape,
            "typestr": kind,
            "data": (address, False),
            "strides": None,
            "version": 3,
        }

    def fetch(self) -> Array:
        """Its content, in the host's memory."""
        import numpy as np

        array = np.empty(self._shape, self._dtype)
        self.memory.read(array.ctypes.data)
        return array

    def close(self) -> None:
        """Give the memory back."""
        self.memory.free()


def run_on_device(kernel: Any, arrays: Sequence[Array]) -> Array:
    """The output of a kernel of an open library. Raises LibraryError, or CudaError when the GPU fails."""
    import numpy as np

    gpu, output = device(), kernel.operands[-1]
    held = [DeviceArray(array) for array in arrays]
    try:
        operands: list[Any] = list(held)
        for number, operand in enumerate(kernel.operands[:-1]):
            if operand["packed_bytes"] is not None:
                form = DeviceArray(np.full(operand["packed_bytes"], 0xFF, np.uint8))
                held.append(form)
                operands[number] = kernel.pack(operands[number], out=form, stream=gpu.stream.value)
        result = DeviceArray(_poisoned(output["shape"], output["dtype"]))
        held.append(result)
        kernel(*operands, out=result, stream=gpu.stream.value)
        gpu.synchronise()
        return result.fetch()
    finally:
        for array in held:
            array.close()


def _poisoned(shape: Sequence[int], dtype: str) -> NDArray[np.generic]:
    """What a kernel that writes nothing leaves: NaN, or -1."""
    import numpy as np

    from heron_cli.elements import numpy_type

    array = np.empty(tuple(shape), numpy_type(dtype))
    array.view(np.uint8).reshape(-1)[:] = 0xFF
    return array
