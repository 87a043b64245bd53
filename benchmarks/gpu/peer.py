"""What PyTorch computes for a workload: tensors on the GPU, and the calls that may be fast at it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from heron_cli.operators.workload import Workload

Call = Callable[[], Any]


Peer = dict[str, Call]


def peer(workload: Workload, tensors: Mapping[str, Any]) -> Mapping[str, Call]:
    """The calls by name, for tensors in heron's layout. Raises KeyError for what PyTorch lacks."""
    import torch

    return _PEERS[workload.operator](workload, tensors, torch)


def _gemm(workload: Workload, t: Mapping[str, Any], torch: Any) -> Peer:
    x, w = t["input"], t["weight"].t()
    return {"matmul": lambda: torch.matmul(x, w)}


def _gemv(workload: Workload, t: Mapping[str, Any], torch: Any) -> Peer:
    vector, matrix = (t["input"], t["weight"]) if t["input"].dim() == 1 else (t["weight"], t["input"])
    return {"mv": lambda: torch.mv(matrix, vector), "matmul": lambda: torch.matmul(matrix, vector[:, None])}


def _bmm(workload: Workload, t: Mapping[str, Any], torch: Any) -> Peer:
    x, w = t["input"], t["weight"]
    if workload.shape["layout"] == "NT":
        w = w.transpose(1, 2)
    return {"bmm": lambda: torch.bmm(x, w)}


def _scan(workload: Workload, t: Mapping[str, Any], torch: Any) -> Peer:
    """The product with a matrix, which is how heron's `scan` is defined."""
    x, w = t["input"], t["weight"]
    k = x.shape[1]
    w = w if w.shape[0] == k else w.t()
    return {"matmul": lambda: torch.matmul(x, w)}


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
            calls[name] = _bound(function, a, b, options)
        if rank == 1:  # PyTorch has no channels-last format of rank 3; an image of height 1 has one
            flat = getattr(functional, "conv_transpose2d" if transposed else "conv2d")
            a, b = (each[:, :, None].contiguous(memory_format=torch.channels_last) for each in (x, w))
            calls["as conv2d, channels_last"] = _bound(flat, a, b, _widened(options))
        return calls

    return make


def _bound(function: Callable[..., Any], x: Any, w: Any, options: Mapping[str, Any]) -> Call:
    return lambda: function(x, w, **options)


def _widened(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a convolution of width alone, for an image of height 1."""
    still = {"stride": 1, "dilation": 1, "padding": 0, "output_padding": 0}
    return {
        name: (still[name], *(value if isinstance(value, list | tuple) else (value,)))
        if name in still
        else value
        for name, value in options.items()
    }


_PEERS: dict[str, Callable[[Workload, Mapping[str, Any], Any], Peer]] = {
    "gemm": _gemm,
    "gemv": _gemv,
    "bmm": _bmm,
    "scan": _scan,
    **{f"conv{rank}d": _convolution(rank, False) for rank in (1, 2, 3)},
    **{f"conv{rank}d_transpose": _convolution(rank, True) for rank in (1, 2, 3)},
}


def graph_of(calls: Sequence[Call]) -> Any:
    """The calls in a row as a CUDA graph of PyTorch, after each was made once."""
    import torch

    for call in dict.fromkeys(calls):
        call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for call in calls:
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
    return float(begin.elapsed_time(end)) / 1e3 / (nodes * replays)
