"""What test_loader.py runs in a process of its own: python loader_cases.py CASE LIBRARY."""

from __future__ import annotations

import re
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from tensors import Exporter, Interface, alive, on_gpu

from heron_cli.errors import InputError
from heron_cli.library import load
from heron_cli.library.loader import DeviceKernel, DeviceLibrary, LibraryError

SHAPE = {"m": 17, "n": 33, "k": 21}


@contextmanager
def raises(pattern: str, kind: type[Exception] = LibraryError) -> Iterator[None]:
    try:
        yield
    except kind as error:
        assert re.search(pattern, str(error)), str(error)
        assert "\n" not in str(error)
    else:
        raise AssertionError(f"nothing was raised that says '{pattern}'")


def arrays(m: int, n: int, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    data = on_gpu(rng.integers(0, 256, (m, k), np.uint8))
    weight = on_gpu(rng.integers(-128, 128, (n, k), np.int8))
    return data, weight, data.astype(np.int32) @ weight.T.astype(np.int32)


def kernel_of(path: str, **shape: int) -> DeviceKernel:
    library = load(path)
    assert isinstance(library, DeviceLibrary)
    kernel = library.find("gemm", **(shape or SHAPE))
    assert isinstance(kernel, DeviceKernel)
    return kernel


def case_exact(path: str) -> None:
    kernel = kernel_of(path)
    data, weight, expected = arrays(**SHAPE)
    for make in (Interface, Exporter):
        out = on_gpu(np.full((17, 33), 7, np.int32))
        form = on_gpu(np.zeros(33 * 21, np.uint8))
        packed = kernel.pack(make(weight), out=make(form))
        result = make(out)
        assert kernel(make(data), packed, out=result, stream=0x60) is result
        np.testing.assert_array_equal(out, expected)
    assert alive() == 0
    plain = kernel_of(path, k=6)  # packs nothing
    data, weight, expected = arrays(4, 5, 6)
    out = on_gpu(np.zeros((4, 5), np.int32))
    holder = Interface(weight)
    assert plain.pack(holder).data is holder  # nothing is copied
    for operand in (holder, plain.pack(holder)):
        out[...] = 7
        plain(Interface(data), operand, out=Interface(out))
        np.testing.assert_array_equal(out, expected)


def case_streams(path: str) -> None:
    """The stream is the one that is given, else that of the operands, else the default one."""
    kernel = kernel_of(path)
    data, weight, _ = arrays(**SHAPE)
    out, form = on_gpu(np.zeros((17, 33), np.int32)), on_gpu(np.zeros(33 * 21, np.uint8))
    packed = kernel.pack(Interface(weight, stream=0x70), out=Interface(form))  # pack on 0x70
    kernel(Interface(data), packed, out=Interface(out))  # nobody says
    kernel(Interface(data, stream=0x80), packed, out=Interface(out))
    exporter = Exporter(data)
    kernel(exporter, packed, out=Exporter(out))
    assert exporter.asked == [-1]  # it runs where the producer works: no synchronisation
    kernel(exporter, packed, out=Exporter(out), stream=0x90)
    kernel(exporter, packed, out=Exporter(out), stream=0)
    assert exporter.asked == [-1, 0x90, 1]  # DLPack's 1 is the default stream
    for given in (
        types.SimpleNamespace(cuda_stream=0xA0),
        types.SimpleNamespace(ptr=0xB0),
        types.SimpleNamespace(__cuda_stream__=lambda: (0, 0xC0)),
    ):
        kernel(Interface(data, stream=0x80), packed, out=Interface(out), stream=given)
    with raises("operands are on different streams; name the one to use by stream="):
        kernel(Interface(data, stream=0x80), Interface(weight, stream=0x81), out=Interface(out))
    with raises("'stream' must be a stream or its handle, not str"):
        kernel(Interface(data), packed, out=Interface(out), stream="fast")


def case_devices(path: str) -> None:
    kernel = kernel_of(path)
    data, weight, expected = arrays(**SHAPE)
    out, form = on_gpu(np.zeros((17, 33), np.int32)), on_gpu(np.zeros(33 * 21, np.uint8))
    packed = kernel.pack(Exporter(weight, device=1), out=Exporter(form, device=1))
    kernel(Exporter(data, device=1), packed, out=Interface(out))
    np.testing.assert_array_equal(out, expected)
    with raises("the operands are on different GPUs: 0, 1"):
        kernel(Exporter(data, device=0), packed, out=Interface(out))
    with raises(r"gemm\[m=17,n=33,k=21\]:u8s8s32: there is no such GPU: cuDeviceGet"):
        kernel.pack(Exporter(weight, device=2), out=Exporter(form, device=2))


def case_refused(path: str) -> None:
    kernel = kernel_of(path)
    data, weight, _ = arrays(**SHAPE)
    out, form = on_gpu(np.zeros((17, 33), np.int32)), on_gpu(np.zeros(33 * 21, np.uint8))
    packed = kernel.pack(Interface(weight), out=Interface(form))
    good, result = Interface(data), Interface(out)
    with raises(r"takes 2 operands \(input, weight\), got 1"):
        kernel(good, out=result)
    with raises(r"^'input' is uint8 \(21, 17\); the kernel takes uint8 \(17, 21\)"):
        kernel(Exporter(on_gpu(data.T)), packed, out=result)
    with raises(r"^'input' is int16 \(17, 21\); the kernel takes uint8"):
        kernel(Interface(on_gpu(data.astype(np.int16))), packed, out=result)
    wide = on_gpu(np.zeros((17, 42), np.uint8))[:, ::2]
    for make in (Interface, Exporter):
        with raises("^'input' must be contiguous"):
            kernel(make(wide), packed, out=result)
    with raises("^'input' must lie on a 16-byte boundary"):
        kernel(Interface(on_gpu(data, offset=8)), packed, out=result)
    with raises("^'input' must lie in the memory of the GPU, not of the host"):
        kernel(data, packed, out=result)
    with raises("^'input' must be a tensor on the GPU, not list"):
        kernel([1], packed, out=result)
    with raises("^'output' must be writable"):
        kernel(good, packed, out=Interface(out, read_only=True))
    with raises("^give out= for 'output'"):
        kernel(good, packed)
    with raises(r"was packed for gemm\[m=17.* not for gemm\[m=4,n=5,k=6\]"):
        kernel_of(path, k=6)(Interface(on_gpu(np.zeros((4, 6), np.uint8))), packed, out=result)
    with raises(r"^'packed weight' is uint8 \(692,\); the kernel takes uint8 \(693,\)"):
        kernel.pack(Interface(weight), out=Interface(form[:-1]))

    class Needs:
        def __dlpack_device__(self) -> tuple[int, int]:
            return (2, 0)

        def __dlpack__(self, **_: object) -> object:
            raise BufferError("it requires gradients\nand more")

    with raises("^'input' cannot be read: it requires gradients"):
        kernel(Needs(), packed, out=result)
    old = kernel_of(path, k=7)
    assert old.obstacle is not None and "the kernel is for sm_80" in old.obstacle
    small = Interface(on_gpu(np.zeros((4, 7), np.uint8)))
    with raises("u8s8s32: the GPU is not of the architecture .*: the GPU has compute capability 9.0"):
        old.pack(Interface(on_gpu(np.zeros((5, 7), np.int8))), out=Interface(on_gpu(np.zeros(35, np.uint8))))
    assert small


def case_dense_views(path: str) -> None:
    """Strides of dimensions of one element say nothing, and an offset into memory is followed."""
    kernel = kernel_of(path)
    data, weight, expected = arrays(**SHAPE)
    out = on_gpu(np.zeros((17, 33), np.int32))
    packed = kernel.pack(Exporter(weight), out=Interface(on_gpu(np.zeros(33 * 21, np.uint8))))
    kernel(Exporter(data, offset=64), packed, out=Exporter(out))
    np.testing.assert_array_equal(out, expected)
    from heron_cli.library.loader.tensors import DeviceTensor

    for shape, strides, dense in (
        ((1, 5), (77, 1), True), ((3, 1, 2), (2, 9, 1), True), ((3, 2), (1, 3), False), ((), (), True),
    ):  # fmt: skip
        assert DeviceTensor(0, shape, strides, "uint8", 0, True, None).dense is dense


def case_torch_and_cupy(path: str) -> None:
    """Of these the current stream and the way to make a tensor are known; stand-ins show the calls."""
    torch, cupy = types.ModuleType("torch"), types.ModuleType("cupy")

    class Tensor(Exporter):
        device, is_cuda = "cuda:0", True

    class Array(Interface):
        @property
        @contextmanager
        def device(self) -> Iterator[None]:  # type: ignore[misc]
            entered.append("device")
            yield

    def empty(shape: Any, dtype: Any, device: Any = None) -> Any:
        made = on_gpu(np.zeros(shape, dtype))
        return Array(made) if device is None else Tensor(made)

    @contextmanager
    def guard(device: str) -> Iterator[None]:
        assert device == "cuda:0"
        guards.append(device)
        yield
        guards.pop()

    class Guarded(Tensor):
        def __dlpack__(self, *, stream: int | None = None) -> Any:
            assert guards  # as torch, which exports tensors of its current GPU only
            return super().__dlpack__(stream=stream)

    guards: list[str] = []
    entered: list[str] = []
    torch.Tensor, torch.empty, torch.int32, torch.uint8 = Tensor, empty, "int32", "uint8"  # type: ignore[attr-defined]
    torch.cuda = types.SimpleNamespace(  # type: ignore[attr-defined]
        current_stream=lambda device: types.SimpleNamespace(cuda_stream={"cuda:0": 0xD0}[device]),
        device=guard,
    )
    cupy.ndarray, cupy.empty = Array, empty  # type: ignore[attr-defined]
    current = types.SimpleNamespace(ptr=0xE0)
    cupy.cuda = types.SimpleNamespace(get_current_stream=lambda: current)  # type: ignore[attr-defined]
    sys.modules |= {"torch": torch, "cupy": cupy}
    kernel = kernel_of(path)
    data, weight, expected = arrays(**SHAPE)
    for make in (Guarded, Array):
        result = kernel(make(data), make(weight))  # packed in this call
        assert isinstance(result, Tensor if make is Guarded else Array)
        np.testing.assert_array_equal(result.array, expected)
    assert entered == ["device", "device"]


def case_threads(path: str) -> None:
    kernel = kernel_of(path)
    data, weight, expected = arrays(**SHAPE)
    wrong: list[Exception | str] = []

    def work() -> None:
        try:
            out, form = on_gpu(np.zeros((17, 33), np.int32)), on_gpu(np.zeros(33 * 21, np.uint8))
            packed = kernel.pack(Exporter(weight), out=Interface(form))
            for _ in range(20):
                kernel(Exporter(data), packed, out=Interface(out))
            if not np.array_equal(out, expected):
                wrong.append("result")
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def case_cannot_load(path: str) -> None:
    pattern = sys.argv[3]
    with raises(f"{path}: no kernel can run on this machine: {pattern}", InputError):
        load(path)


def case_launch_fails(path: str) -> None:
    kernel = kernel_of(path, k=6)
    operands = [Interface(on_gpu(np.zeros(shape, kind))) for shape, kind in (((4, 6), "u1"), ((5, 6), "i1"))]
    with raises("the kernel cannot be run: cuLaunchKernel: unspecified launch failure"):
        kernel(*operands, out=Interface(on_gpu(np.zeros((4, 5), np.int32))))


def case_copy_in_the_library(path: str) -> None:
    sys.path.insert(0, f"{path}/python")
    for name in [name for name in sys.modules if name.startswith("heron_cli")]:
        del sys.modules[name]
    sys.modules["heron_cli"] = None  # type: ignore[assignment]
    import heron_kernels  # type: ignore[import-not-found]

    data, weight, expected = arrays(4, 5, 6)
    out = on_gpu(np.zeros((4, 5), np.int32))
    kernel = heron_kernels.load(path).find("gemm", k=6)
    kernel(Interface(data), Interface(weight), out=Interface(out))
    np.testing.assert_array_equal(out, expected)


if __name__ == "__main__":
    globals()[f"case_{sys.argv[1]}"](sys.argv[2])
