"""What test_torch_ops.py runs in a process of its own: python torch_cases.py CASE LIBRARY.

The stand-in for the driver keeps device memory in the host's, so that kernels run on torch's CPU tensors.
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from heron_cli.errors import InputError
from heron_cli.library import load, torch_ops
from heron_cli.library.loader import LibraryError
from heron_cli.library.loader.torch_ops import PackOperator, RunOperator, operators

NAME = "gemm_u8s8s32_m17_n33_k21"


@contextmanager
def raises(pattern: str, kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kind as error:
        assert re.search(pattern, str(error)), str(error)
    else:
        raise AssertionError(f"nothing was raised that says '{pattern}'")


def case_shapes(path: str) -> None:
    found = torch_ops.register(load(path))
    assert set(found) >= {NAME, f"{NAME}_pack", "gemm_u8s8s32_m4_n5_k6", "gemm_u8s8s32_m4_n5_k6_pack"}
    run, pack = getattr(torch.ops.heron, NAME), getattr(torch.ops.heron, f"{NAME}_pack")
    assert found[NAME] is run
    assert str(run.default._schema) == f"heron::{NAME}(Tensor input, Tensor packed_weight) -> Tensor"
    data = torch.empty(17, 21, dtype=torch.uint8, device="meta")
    weight = torch.empty(33, 21, dtype=torch.int8, device="meta")
    packed = pack(weight)
    assert (packed.shape, packed.dtype, packed.device.type) == ((693,), torch.uint8, "meta")
    output = run(data, packed)
    assert (output.shape, output.dtype, output.device.type) == ((17, 33), torch.int32, "meta")
    with raises(r"'input' is uint8 \(21, 17\); the kernel takes uint8 \(17, 21\)", LibraryError):
        run(data.T, packed)
    with raises(r"'packed_weight' is int8 \(33, 21\); the kernel takes uint8 \(693,\)", LibraryError):
        run(data, weight)
    with raises(r"'weight' is float32 \(33, 21\); the kernel takes int8", LibraryError):
        pack(weight.float())
    with raises("CPU", NotImplementedError):
        run(torch.empty(17, 21, dtype=torch.uint8), torch.empty(693, dtype=torch.uint8))
    other = torch_ops.register(load(path), "elsewhere")
    assert other[NAME] is getattr(torch.ops.elsewhere, NAME)


def case_tracing(path: str) -> None:
    """What torch.compile and torch.export do first: run with tensors that have no memory."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.proxy_tensor import make_fx

    torch_ops.register(load(path))

    def model(data: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return getattr(torch.ops.heron, NAME)(data, getattr(torch.ops.heron, f"{NAME}_pack")(weight)) + 1

    with FakeTensorMode():
        data = torch.empty(17, 21, dtype=torch.uint8, device="cuda:1")
        weight = torch.empty(33, 21, dtype=torch.int8, device="cuda:1")
        output = model(data, weight)
        assert (output.shape, output.device) == ((17, 33), torch.device("cuda:1"))
        with raises("'packed_weight' is on cuda:0, 'input' on cuda:1", LibraryError):
            getattr(torch.ops.heron, NAME)(data, torch.empty(693, dtype=torch.uint8, device="cuda:0"))
    meta = [torch.empty(tuple(t.shape), dtype=t.dtype, device="meta") for t in (data, weight)]
    targets = [str(node.target) for node in make_fx(model)(*meta).graph.nodes if node.op == "call_function"]
    assert targets == [f"heron.{NAME}_pack.default", f"heron.{NAME}.default", "aten.add.Tensor"]


def case_exact(path: str) -> None:
    library = load(path)
    streams: list[torch.device] = []

    def current_stream(device: torch.device) -> object:
        streams.append(device)
        return types.SimpleNamespace(cuda_stream=0x40)

    torch.cuda.current_stream = current_stream  # type: ignore[assignment]
    for m, n, k in ((17, 33, 21), (4, 5, 6)):
        run, pack = operators(library.find("gemm", m=m, n=n, k=k))  # type: ignore[arg-type]
        assert isinstance(run, RunOperator)
        assert isinstance(pack, PackOperator)
        data = torch.randint(0, 256, (m, k), dtype=torch.uint8)
        weight = torch.randint(-128, 128, (n, k), dtype=torch.int8)
        output = run.run(data, pack.run(weight))
        assert torch.equal(output, data.int() @ weight.int().T)
    assert streams == [torch.device("cpu")] * 4
    torch.cuda.current_stream = lambda device: 1 // 0  # type: ignore[assignment]  # the loader must not ask
    with raises("'input' must lie in the memory of the GPU, not of the host", LibraryError):
        library.find("gemm", k=6)(data, weight)
    torch.cuda.current_stream = current_stream  # type: ignore[assignment]
    wide = torch.zeros(4, 12, dtype=torch.uint8)[:, ::2]
    with raises("'input' must be contiguous", LibraryError):
        run.run(wide, pack.run(weight))
    shifted = torch.zeros(25, dtype=torch.uint8)[1:].view(4, 6)
    with raises("'input' must lie on a 16-byte boundary", LibraryError):
        run.run(shifted, pack.run(weight))


def case_refused(path: str) -> None:
    with raises("here: its kernels are for this machine's CPU, not for a GPU", InputError):
        torch_ops.register(types.SimpleNamespace(path="here"))  # type: ignore[arg-type]
    sys.modules["torch"] = None  # type: ignore[assignment]
    with raises(r"torch is not installed; heron-cli\[torch\] asks for it", InputError):
        torch_ops.register(load(path))


if __name__ == "__main__":
    globals()[f"case_{sys.argv[1]}"](sys.argv[2])
