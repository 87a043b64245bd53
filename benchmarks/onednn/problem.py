"""From a workload to the tensors and windows that oneDNN is asked for.

The user's layouts are heron's: gemm input (m, k), weight (n, k), output (m, n); scan, and bmm unless its
layout is NT, have the weight (…, k, n); convolutions with the activations channels-last (or channels-first
with ``layout: NCHW``) and the weight (out_channels, in_channels / groups, window…), transposed ones with
(in_channels, out_channels / groups, window…).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

MATMUL, CONVOLUTION, DECONVOLUTION = 0, 1, 2
SPACE = ("depth", "height", "width")


@dataclass(frozen=True, slots=True)
class Types:
    """Element types of the operands."""

    input: str
    weight: str
    output: str


INT8 = Types("uint8", "int8", "int32")
BFLOAT16 = Types("bfloat16", "bfloat16", "float32")


class Workload(Protocol):
    """Anything with the name of an operator, its shape and element types."""

    @property
    def operator(self) -> str: ...
    @property
    def shape(self) -> Mapping[str, Any]: ...
    @property
    def types(self) -> Types: ...


@dataclass(frozen=True, slots=True)
class Tensor:
    """`shape` as the user stores it; `logical` and `strides` (in elements) as oneDNN names it."""

    shape: tuple[int, ...]
    logical: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Per spatial axis, outermost first."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What to build. `operations`: 2 × the nominal number of products (padded taps count)."""

    kind: int
    input: Tensor
    weight: Tensor
    output: Tensor
    window: Window
    operations: int
    groups: int = 1
    dynamic_weight: bool = False
    types: Types = INT8


def problem(workload: Workload) -> Problem:
    """The oneDNN problem of a workload; raises KeyError for a missing shape key, ValueError if unknown."""
    return replace(_problem(workload), types=workload.types)


def _problem(workload: Workload) -> Problem:
    shape = workload.shape
    match workload.operator:
        case "gemm" | "scan":
            plain = workload.operator == "scan"
            return _matmul((), int(shape["m"]), int(shape["n"]), int(shape["k"]), plain)
        case "gemv":
            return _matmul((), 1, int(shape["m"]), int(shape["k"]), False)
        case "bmm":
            plain = shape.get("layout", "NN") == "NN"
            return _matmul((int(shape["batch"]),), int(shape["m"]), int(shape["n"]), int(shape["k"]), plain)
        case "conv1d" | "conv2d" | "conv3d" | "conv1d_transpose" | "conv2d_transpose" | "conv3d_transpose":
            return _convolution(shape, workload.operator.endswith("_transpose"))
        case "depthwise_conv2d":
            channels = int(shape["channels"])
            filters = channels * int(shape.get("multiplier", 1))
            sizes = {"in_channels": channels, "out_channels": filters, "groups": channels}
            return _convolution({**shape, **sizes}, transposed=False)
        case other:
            raise ValueError(f"no oneDNN primitive for the operator {other}")


def _matmul(batch: tuple[int, ...], m: int, n: int, k: int, plain: bool) -> Problem:
    """`plain`: the weight is stored (…, k, n), else (…, n, k)."""
    turned = Tensor((*batch, n, k), (*batch, k, n), (*(n * k for _ in batch), 1, k))
    weight = _dense((*batch, k, n)) if plain else turned
    nothing = Window((), (), (), (), ())
    return Problem(
        MATMUL,
        _dense((*batch, m, k)),
        weight,
        _dense((*batch, m, n)),
        nothing,
        2 * math.prod(batch) * m * n * k,
        dynamic_weight=bool(batch),  # a batched weight is an activation: it cannot be packed beforehand
    )


def _convolution(shape: Mapping[str, Any], transposed: bool) -> Problem:
    extents = tuple(int(shape[axis]) for axis in SPACE if axis in shape)
    rank = len(extents)
    batch, channels, filters = (int(shape[key]) for key in ("batch", "in_channels", "out_channels"))
    groups = int(shape.get("groups", 1))
    sides = [_sides(item) for item in _per_axis(shape.get("padding", 0), rank)]
    window = Window(
        tuple(_per_axis(shape["kernel"], rank)),
        tuple(_per_axis(shape.get("stride", 1), rank)),
        tuple(_per_axis(shape.get("dilation", 1), rank)),
        tuple(before for before, _ in sides),
        tuple(after for _, after in sides),
    )
    reach = [d * (k - 1) + 1 for k, d in zip(window.kernel, window.dilation, strict=True)]
    extra = _per_axis(shape.get("output_padding", 0), rank)
    outputs = tuple(
        (extent - 1) * stride + span - before - after + more
        if transposed
        else (extent + before + after - span) // stride + 1
        for extent, span, stride, (before, after), more in zip(
            extents, reach, window.stride, sides, extra, strict=True
        )
    )
    first = shape.get("layout", "channels-last") in ("NCHW", "NCW", "NCDHW")
    taps = math.prod(extents if transposed else outputs) * math.prod(window.kernel)
    return Problem(
        DECONVOLUTION if transposed else CONVOLUTION,
        _activation(batch, channels, extents, first),
        (_turned if transposed else _weight)(filters, channels, groups, window.kernel),
        _activation(batch, filters, outputs, first),
        window,
        2 * batch * channels * filters // groups * taps,
        groups,
    )


def _weight(filters: int, channels: int, groups: int, kernel: tuple[int, ...]) -> Tensor:
    stored = (filters, channels // groups, *kernel)
    if groups == 1:
        return _dense(stored)
    logical = (groups, filters // groups, channels // groups, *kernel)
    return Tensor(stored, logical, _dense(logical).strides)


def _turned(filters: int, channels: int, groups: int, kernel: tuple[int, ...]) -> Tensor:
    """A transposed convolution's: stored (in, out / groups, window…), named (out, in, window…)."""
    stored = (channels, filters // groups, *kernel)
    group, inner, outer, *rest = _dense((groups, channels // groups, filters // groups, *kernel)).strides
    if groups == 1:
        return Tensor(stored, (filters, channels, *kernel), (outer, inner, *rest))
    logical = (groups, filters // groups, channels // groups, *kernel)
    return Tensor(stored, logical, (group, outer, inner, *rest))


def _activation(batch: int, channels: int, space: tuple[int, ...], channels_first: bool) -> Tensor:
    logical = (batch, channels, *space)
    if channels_first:
        return _dense(logical)
    stored = (batch, *space, channels)
    strides = _dense(stored).strides
    return Tensor(stored, logical, (strides[0], strides[-1], *strides[1:-1]))


def _dense(shape: tuple[int, ...]) -> Tensor:
    strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return Tensor(shape, shape, strides)


def _per_axis(value: Any, rank: int) -> list[Any]:
    return list(value) if isinstance(value, Sequence) else [value] * rank


def _sides(padding: Any) -> tuple[int, int]:
    before, after = padding if isinstance(padding, Sequence) else (padding, padding)
    return int(before), int(after)
