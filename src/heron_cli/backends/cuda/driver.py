"""NVIDIA's driver API by ctypes: as much of it as loading, launching and timing kernels takes.

Nothing here needs the CUDA toolkit, its runtime library or TVM: libcuda.so.1 comes with the driver.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from ctypes import byref, c_char_p, c_float, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache
from typing import Any

_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_MAJOR, _MINOR, _PROCESSORS, _L2 = 75, 76, 16, 38  # CU_DEVICE_ATTRIBUTE_…
_CLOCK, _MEMORY_CLOCK, _BUS_BITS = 13, 36, 37  # the clocks in kHz, at most
_RELAXED = 2  # CU_STREAM_CAPTURE_MODE_RELAXED
_OVERLAP = 6  # CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION


class CudaError(RuntimeError):
    """The driver refused; the message is one line with the call and its reason."""


@cache
def library() -> Any:
    """libcuda.so.1. Raises CudaError where no driver is installed."""
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise CudaError("no NVIDIA driver is installed (libcuda.so.1)") from error


def call(name: str, *arguments: Any) -> None:
    """One call. Raises CudaError when it does not return 0."""
    status = getattr(library(), name)(*arguments)
    if status:
        text = c_char_p()
        library().cuGetErrorString(status, byref(text))
        reason = text.value.decode() if text.value else f"status {status}"
        raise CudaError(f"{name}: {reason}")


class Device:
    """The first GPU, its primary context current on the thread that made this."""

    def __init__(self, number: int = 0) -> None:
        call("cuInit", 0)
        self._device = c_int()
        call("cuDeviceGet", byref(self._device), number)
        self._context = c_void_p()
        call("cuDevicePrimaryCtxRetain", byref(self._context), self._device)
        call("cuCtxSetCurrent", self._context)
        self.stream = c_void_p()
        call("cuStreamCreate", byref(self.stream), 0)

    def attribute(self, which: int) -> int:
        """One of the device's numbers."""
        value = c_int()
        call("cuDeviceGetAttribute", byref(value), which, self._device)
        return value.value

    @property
    def name(self) -> str:
        """What the vendor calls it."""
        text = ctypes.create_string_buffer(256)
        call("cuDeviceGetName", text, 256, self._device)
        return text.value.decode()

    @property
    def identity(self) -> str:
        """Of this GPU and no other one: its UUID."""
        raw = ctypes.create_string_buffer(16)
        call("cuDeviceGetUuid", raw, self._device)
        return raw.raw.hex()

    @property
    def capability(self) -> int:
        """Compute capability without its dot: 90 for 9.0."""
        return 10 * self.attribute(_MAJOR) + self.attribute(_MINOR)

    @property
    def processors(self) -> int:
        """Streaming multiprocessors."""
        return self.attribute(_PROCESSORS)

    @property
    def l2_bytes(self) -> int:
        """Size of the L2 cache."""
        return self.attribute(_L2)

    @property
    def clock(self) -> int:
        """Hertz of the processors at most; 0 where the driver does not tell."""
        return 1000 * self._told(_CLOCK)

    @property
    def bandwidth(self) -> int:
        """Bytes a second of the memory at most, two beats a cycle of its bus; 0 where it is not told."""
        return 2 * 1000 * self._told(_MEMORY_CLOCK) * self._told(_BUS_BITS) // 8

    def _told(self, which: int) -> int:
        """One of the device's numbers that nothing needs to run; 0 where the driver refuses it."""
        try:
            return self.attribute(which)
        except CudaError:
            return 0

    def synchronise(self) -> None:
        """Wait for all work of the stream. Raises CudaError for what went wrong in it."""
        call("cuStreamSynchronize", self.stream)


class Memory:
    """A piece of the device's memory."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.address = c_uint64()
        call("cuMemAlloc_v2", byref(self.address), c_size_t(max(size, 1)))

    def write(self, source: int) -> None:
        """Fill it from host memory at an address, and wait until it is there.

        A copy from pageable memory returns when it has been staged; work on another stream would overtake it.
        """
        call("cuMemcpyHtoD_v2", self.address, c_void_p(source), c_size_t(self.size))
        call("cuCtxSynchronize")

    def read(self, target: int) -> None:
        """Copy it to host memory at an address."""
        call("cuMemcpyDtoH_v2", c_void_p(target), self.address, c_size_t(self.size))

    def free(self) -> None:
        """Give it back. May be called twice."""
        if self.address.value:
            call("cuMemFree_v2", self.address)
            self.address = c_uint64()


class _Attribute(ctypes.Structure):
    """CUlaunchAttribute, whose value is an int here."""

    _fields_ = (("id", c_uint32), ("padding", c_uint32), ("value", c_int), ("rest", c_uint32 * 15))


class _Config(ctypes.Structure):
    """CUlaunchConfig."""

    _fields_ = (
        ("grid", c_uint32 * 3), ("block", c_uint32 * 3), ("shared", c_uint32), ("stream", c_void_p),
        ("attributes", ctypes.POINTER(_Attribute)), ("count", c_uint32),
    )  # fmt: skip


class Function:
    """A kernel of a module, with how it is launched.

    With `overlap` it may begin while the kernel before it on the stream ends.
    """

    def __init__(
        self,
        module: Module,
        symbol: str,
        grid: Sequence[int],
        threads: int,
        shared: int,
        overlap: bool = False,
    ) -> None:
        self._function, self.overlap = c_void_p(), overlap
        call("cuModuleGetFunction", byref(self._function), module.handle, symbol.encode())
        self.grid, self.threads, self.shared = tuple(grid), threads, shared
        if shared > 48 << 10:
            call("cuFuncSetAttribute", self._function, _SHARED, shared)

    def launch(self, stream: Any, arguments: Sequence[Any]) -> None:
        """Start it on a stream. `arguments` are ctypes values: device addresses, encoded tensor maps."""
        pointers = (c_void_p * len(arguments))(*(ctypes.cast(byref(a), c_void_p) for a in arguments))
        block = (self.threads, 1, 1)
        if self.overlap:
            attribute = _Attribute(_OVERLAP, 0, 1)
            sizes = ((c_uint32 * 3)(*self.grid), (c_uint32 * 3)(*block), self.shared, stream)
            config = _Config(*sizes, ctypes.pointer(attribute), 1)
            call("cuLaunchKernelEx", byref(config), self._function, pointers, None)
            return
        call("cuLaunchKernel", self._function, *self.grid, *block, self.shared, stream, pointers, None)


_TYPES = {"uint8": 0, "int8": 0, "int32": 3, "float16": 6, "float32": 7, "bfloat16": 9}
_SWIZZLES = {32: 1, 64: 2, 128: 3}
_PROMOTE = 2  # CU_TENSOR_MAP_L2_PROMOTION_L2_128B


class TensorMap(ctypes.Structure):
    """CUtensorMap: 128 opaque bytes, aligned to 64."""

    _fields_ = (("words", c_uint64 * 16),)


def encode(description: Mapping[str, Any], address: c_uint64) -> Any:
    """The tensor map of an operand at an address, from `backends.cuda.maps.TensorMap.describe`."""
    raw = ctypes.create_string_buffer(128 + 64)  # ctypes knows no alignment before Python 3.13
    at = -ctypes.addressof(raw) % 64
    made = TensorMap.from_buffer(raw, at)
    rank = len(description["extents"])
    extents = (c_uint64 * rank)(*description["extents"])
    strides = (c_uint64 * rank)(*description["strides"])
    kind, swizzle = _TYPES[description["type"]], _SWIZZLES[description["swizzle"]]
    start = c_void_p(address.value)
    if description["mode"] == "box":
        box = (c_uint32 * rank)(*description["box"])
        steps = (c_uint32 * rank)(*([1] * rank))
        call(
            "cuTensorMapEncodeTiled", byref(made), kind, rank, start, extents, strides, box, steps,
            0, swizzle, _PROMOTE, 0,
        )  # fmt: skip
    else:
        lower = (c_int * (rank - 2))(*description["lower"])
        upper = (c_int * (rank - 2))(*description["upper"])
        steps = (c_uint32 * rank)(*description["steps"])
        call(
            "cuTensorMapEncodeIm2col", byref(made), kind, rank, start, extents, strides, lower, upper,
            description["channels"], description["pixels"], steps, 0, swizzle, _PROMOTE, 0,
        )  # fmt: skip
    return made


class Module:
    """Machine code in the device's memory."""

    def __init__(self, code: bytes) -> None:
        self.handle = c_void_p()
        call("cuModuleLoadData", byref(self.handle), code)

    def unload(self) -> None:
        """Remove it."""
        call("cuModuleUnload", self.handle)


class Graph:
    """Launches that are captured once and replayed, so that the gaps between them do not count."""

    def __init__(self, device: Device, work: Any) -> None:
        self._stream = device.stream
        graph = c_void_p()
        call("cuStreamBeginCapture_v2", self._stream, _RELAXED)
        try:
            work()
        finally:
            call("cuStreamEndCapture", self._stream, byref(graph))
        self._instance = c_void_p()
        call("cuGraphInstantiateWithFlags", byref(self._instance), graph, c_uint64(0))
        call("cuGraphDestroy", graph)

    def replay(self, times: int) -> float:
        """Seconds between an event before and one after so many replays."""
        begin, end = c_void_p(), c_void_p()
        for event in (begin, end):
            call("cuEventCreate", byref(event), 0)
        try:
            call("cuEventRecord", begin, self._stream)
            for _ in range(times):
                call("cuGraphLaunch", self._instance, self._stream)
            call("cuEventRecord", end, self._stream)
            call("cuEventSynchronize", end)
            elapsed = c_float()
            call("cuEventElapsedTime", byref(elapsed), begin, end)
        finally:
            for event in (begin, end):
                call("cuEventDestroy_v2", event)
        return elapsed.value / 1e3

    def close(self) -> None:
        """Remove it."""
        call("cuGraphExecDestroy", self._instance)
