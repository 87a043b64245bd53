"""What PyTorch computes for a workload: tensors on the GPU, and the calls that cuBLAS and cuDNN may be fast at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heron_cli.operators.workload import Workload

Call = Callable[[], Any]


@dataclass(frozen=True)
class Peer:
    """Calls of PyTorch for one workload by name; `inner` and `outer` say how heron lays the result out."""

    calls: Mapping[str, Call]
    result: Call


def peer(workload: Workload, arrays: Mapping[str, Any], device: str = "cuda") -> Peer:
    """The calls for operands in heron's layout. Raises KeyError for an operator that PyTorch lacks."""
    import torch

    tensors = {name: torch.from_numpy(np.array(array)).to(device) for name, array in arrays.items()}
    return _PEERS[workload.operator](workload, tensors, torch)


def _gemm(workload: Workload, t: Mapping[str, Any], torch: Any) -> Peer:
    x, w = t["input"], t["weight"].t()
    return Peer({"matmul": lambda: torch.matmul(x, w)}, lambda: torch.matmul(x, w))


def _gemv(workload: Workload, t: Mapping[str, Any], torch: Any) -> Peer:
    vector, matrix = (t["input"], t["weight"]) if t["input"].dim() == 1 else (t["weight"], t["input"])
    calls = {"mv": lambda: torch.mv(matrix, vector), "matmul": lambda: torch.matmul(matrix, vector[:, None])}
    return Peer(calls, lambda: torch.mv(matrix, vector))


def _bmm(workload: Workload, t: Mapping[str, Any], torch: Any) -> Peer:
    x, w = t["input"], t["weight"]
    if workload.shape["layout"] == "NT":
        w = w.transpose(1, 2)
    return Peer({"bmm": lambda: torch.bmm(x, w)}, lambda: torch.bmm(x, w))


def _scan(workload: Workload, t: Mapping[str, Any], torch: Any) -> Peer:
    """The product with a matrix, which is how heron's `scan` is defined."""
    x, w = t["input"], t["weight"]
    k = x.shape[1]
    w = w if w.shape[0] == k else w.t()
    return Peer({"matmul": lambda: torch.matmul(x, w)}, lambda: torch.matmul(x, w))


def _convolution(rank: int, transposed: bool) -> Callable[[Workload, Mapping[str, Any], Any], Peer]:
    def make(workload: Workload, t: Mapping[str, Any], torch: Any) -> Peer:
        shape = workload.shape
        functional = torch.nn.functional
        function = getattr(functional, f"conv_transpose{rank}d" if transposed else f"conv{rank}d")
        options = {
            name: shape[name]
            for name in ("stride", "padding", "dilation", "groups", "output_padding")
            if name in shape
        }
        trailing = str(shape.get("layout", "C")).endswith("C")
        to_first = (0, rank + 1, *range(1, rank + 1))
        x = t["input"].permute(to_first) if trailing else t["input"]
        w = t["weight"]
        formats = {"contiguous": torch.contiguous_format}
        if rank == 2:
            formats["channels_last"] = torch.channels_last
        if rank == 3:
            formats["channels_last_3d"] = torch.channels_last_3d
        calls: dict[str, Call] = {}
        for name, layout in formats.items():
            a, b = x.contiguous(memory_format=layout), w.contiguous(memory_format=layout)
            calls[name] = lambda a=a, b=b: function(a, b, **options)
        first = next(iter(calls.values()))
        back = (0, *range(2, rank + 2), 1)
        return Peer(calls, lambda: first().permute(back) if trailing else first())

    return make


_PEERS: dict[str, Callable[[Workload, Mapping[str, Any], Any], Peer]] = {
    "gemm": _gemm,
    "gemv": _gemv,
    "bmm": _bmm,
    "scan": _scan,
    **{f"conv{rank}d": _convolution(rank, False) for rank in (1, 2, 3)},
    **{f"conv{rank}d_transpose": _convolution(rank, True) for rank in (1, 2, 3)},
}


def graph_of(call: Call, nodes: int) -> Any:
    """So many calls in a row as a CUDA graph of PyTorch."""
    import torch

    for _ in range(3):
        call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(nodes):
            call()
    return graph


def seconds(graph: Any, nodes: int, replays: int) -> float:
    """Seconds of one call, from events around some replays."""
    import torch

    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(replays):
        graph.replay()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / 1e3 / (nodes * replays)


def ceilings() -> dict[str, float]:
    """What this GPU reaches: FLOP/s of a large product of random numbers, bytes/s of a large copy."""
    import torch

    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.float16) for _ in range(2))
    product = graph_of(lambda: torch.matmul(a, b), 1)
    fastest = min(seconds(product, 1, 5) for _ in range(3))
    x = torch.empty(1 << 30, device="cuda", dtype=torch.uint8)
    y = torch.empty_like(x)
    copy = graph_of(lambda: y.copy_(x), 1)
    return {
        "matmul 8192, FLOP/s": 2 * 8192**3 / fastest,
        "copy of 1 GiB, bytes/s": 2 * x.numel() / min(seconds(copy, 1, 5) for _ in range(3)),
    }


def close(result: Any, expected: Sequence[Any]) -> float:
    """Largest difference, relative to the root mean square of what is expected."""
    wide = np.asarray(expected, np.float64)
    scale = float(np.sqrt(np.mean(np.square(wide)))) or 1.0
    return float(np.max(np.abs(np.asarray(result, np.float64) - wide))) / scale
