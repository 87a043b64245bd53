"""Workloads of every operator that VTA runs, small enough to be simulated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from heron_cli.operators.workload import Workload, make

TYPES = {"input": "int8", "weight": "int8", "accumulate": "int32", "output": "int8"}
MACHINES = ("vta", "vta-small", "vta-1x32x32")
Draw = Callable[..., Any]


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """One of any operator, with or without bias and residual."""
    flags = {name: (draw(st.booleans()), "here") for name in ("bias", "residual")}
    operator = draw(st.sampled_from(sorted(_SHAPES)))
    return make(operator, _SHAPES[operator](draw), dtypes=TYPES, epilogue=flags)


def _gemm(draw: Draw) -> dict[str, Any]:
    return {name: draw(st.integers(1, 100)) for name in "mnk"}


def _gemv(draw: Draw) -> dict[str, Any]:
    return {name: draw(st.integers(1, 100)) for name in "mk"}


def _bmm(draw: Draw) -> dict[str, Any]:
    sizes = {name: draw(st.integers(1, 40)) for name in "mnk"}
    return {**sizes, "batch": draw(st.integers(1, 6)), "layout": draw(st.sampled_from(["NN", "NT"]))}


def _convolution(draw: Draw, sizes: tuple[str, ...], padded: tuple[bool, ...]) -> dict[str, Any]:
    rank = len(sizes)
    most = 12 if rank < 3 else 6
    kernel = [draw(st.integers(1, 3)) for _ in sizes]
    dilation = [draw(st.integers(1, 2)) for _ in sizes]
    least = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    return {
        "batch": draw(st.integers(1, 2)),
        **{name: draw(st.integers(low, max(low, most))) for name, low in zip(sizes, least, strict=True)},
        "in_channels": groups * draw(st.sampled_from([3, 16, 33])),
        "out_channels": groups * draw(st.sampled_from([8, 16, 40])),
        "kernel": tuple(kernel),
        "stride": tuple(draw(st.integers(1, 2)) for _ in sizes),
        "padding": tuple(draw(st.integers(0, 2)) if pad else 0 for pad in padded),
        "dilation": tuple(dilation),
        "groups": groups,
        "layout": draw(st.sampled_from(["N{}C", "NC{}"])).format("DHW"[3 - rank :]),
    }


_SHAPES: dict[str, Callable[[Draw], dict[str, Any]]] = {
    "gemm": _gemm,
    "gemv": _gemv,
    "bmm": _bmm,
    "conv1d": lambda draw: _convolution(draw, ("width",), (True,)),
    "conv2d": lambda draw: _convolution(draw, ("height", "width"), (True, True)),
    "conv3d": lambda draw: _convolution(draw, ("depth", "height", "width"), (False, True, True)),
    "scan": _gemm,
}
