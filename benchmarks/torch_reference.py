"""What PyTorch says a kernel of an exported library must compute, from its entry in the manifest.

Sums are of float64, so that integers are exact and floats are next to exact; everything runs where the
operands are. The bound of the error is that of heron_cli/operators/expected.py. Needs torch, and nothing of
heron.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_C = 8.0  # see heron_cli/operators/expected.py
_CONVOLUTIONS = {
    "conv1d": functional.conv1d,
    "conv2d": functional.conv2d,
    "conv3d": functional.conv3d,
    "depthwise_conv2d": functional.conv2d,
    "conv1d_transpose": functional.conv_transpose1d,
    "conv2d_transpose": functional.conv_transpose2d,
    "conv3d_transpose": functional.conv_transpose3d,
}
TF32 = 2.0**-10  # what a tensor core leaves of a float32 operand


def operands(entry: Mapping[str, Any], device: str, generator: torch.Generator) -> dict[str, Tensor]:
    """Random operands: integers over their whole range, floats in [-1, 1); prefix sums get their triangle."""
    found = {}
    for operand in entry["operands"][:-1]:
        dtype = getattr(torch, operand["dtype"])
        if dtype.is_floating_point:
            value = torch.rand(operand["shape"], generator=generator, device=device) * 2 - 1
        else:
            limits = torch.iinfo(dtype)
            bounds = (limits.min, limits.max + 1)
            value = torch.randint(*bounds, operand["shape"], generator=generator, device=device)
        found[operand["name"]] = value.to(dtype)
    form = entry["shape"].get("form", "GENERAL") if entry["operator"] == "scan" else "GENERAL"
    if form != "GENERAL":
        found["weight"] = torch.ones_like(found["weight"]).triu(0 if form == "INCLUSIVE" else 1)
    return found


def wrong(entry: Mapping[str, Any], arrays: Mapping[str, Tensor], output: Tensor) -> str:
    """What is wrong with an output, in one line; empty if nothing is. NaN is never right."""
    expected, bound = _expected(entry, arrays)
    right = output == expected if bound is None else (output.double() - expected).abs() <= bound
    bad = ~right
    count = int(bad.sum())
    if not count:
        return ""
    first = tuple(int(i) for i in bad.nonzero()[0])
    more = "" if bound is None else f" ± {float(bound[first]):.3g}"
    return (
        f"{count} of {output.numel()} elements are wrong, the first at {list(first)}: "
        f"{output[first].item()} instead of {expected[first].item()}{more}"
    )


def _expected(entry: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    output = getattr(torch, entry["operands"][-1]["dtype"])
    values = _finished(entry, arrays, _sums(entry, arrays["input"], arrays["weight"]))
    if not output.is_floating_point:
        return values.to(output), None
    accumulate = getattr(torch, entry["dtypes"]["accumulate"])
    bound = torch.zeros_like(values)
    if accumulate.is_floating_point:
        positive = {name: array.abs() for name, array in arrays.items()}
        sizes = _sums(entry, positive["input"], positive["weight"])
        epilogue = {**entry["epilogue"], "shift": 0, "low": None, "high": None}
        sizes = _finished({**entry, "epilogue": epilogue}, positive, sizes)
        steps = _products(entry) + entry["epilogue"]["bias"] + entry["epilogue"]["residual"]
        unit = _C * sqrt(steps) * torch.finfo(accumulate).eps / 2
        if arrays["input"].dtype is torch.float32:
            unit += TF32
        bound += sizes * unit + steps * 2.0**-126
    known = torch.finfo(output)
    return values, bound + (values.abs() + bound) * known.eps / 2 + known.smallest_normal * known.eps / 2


def _products(entry: Mapping[str, Any]) -> int:
    """Products in one sum; of transposed convolutions at most."""
    shape, operator = entry["shape"], entry["operator"]
    if operator not in _CONVOLUTIONS:
        return int(shape["k"])
    kernel = shape["kernel"] if isinstance(shape["kernel"], list | tuple) else [shape["kernel"]]
    count = shape.get("in_channels", 1) // shape.get("groups", 1)
    for extent in kernel:
        count *= extent
    return int(count)


def _sums(entry: Mapping[str, Any], data: Tensor, weight: Tensor) -> Tensor:
    shape, operator = entry["shape"], entry["operator"]
    x, w = data.double(), weight.double()
    if operator == "gemm":
        return x @ w.T
    if operator == "gemv":
        return w @ x
    if operator == "scan":
        return x @ w
    if operator == "bmm":
        return x @ (w if shape["layout"] == "NN" else w.transpose(1, 2))
    if operator not in _CONVOLUTIONS:
        raise NotImplementedError(f"no reference for operator '{operator}'")
    last = shape["layout"].endswith("C")
    names = ("stride", "padding", "output_padding", "dilation")
    options = {name: shape[name] for name in names if name in shape}
    options["groups"] = shape["channels"] if operator == "depthwise_conv2d" else shape.get("groups", 1)
    sums = _CONVOLUTIONS[operator](x.movedim(-1, 1) if last else x, w, **options)
    return sums.movedim(1, -1) if last else sums


def _finished(entry: Mapping[str, Any], arrays: Mapping[str, Tensor], sums: Tensor) -> Tensor:
    """clip(((sum + bias) >> shift) + residual), integers wrapping in the sums' type."""
    epilogue, shape = entry["epilogue"], entry["shape"]
    if epilogue.get("scale"):
        raise NotImplementedError("no reference for an epilogue that scales")
    accumulate = getattr(torch, entry["dtypes"]["accumulate"])
    if not accumulate.is_floating_point:
        sums = sums.round().long().to(accumulate)
    if epilogue["bias"]:
        convolution = entry["operator"] in _CONVOLUTIONS
        channel = 1 if convolution and not shape["layout"].endswith("C") else sums.ndim - 1
        sums = sums + arrays["bias"].to(sums.dtype).reshape(
            [-1 if i == channel else 1 for i in range(sums.ndim)]
        )
    if epilogue["shift"]:
        sums = sums >> epilogue["shift"]
    if epilogue["residual"]:
        sums = sums + arrays["residual"].to(sums.dtype)
    if epilogue["low"] is not None or epilogue["high"] is not None:
        sums = sums.clamp(epilogue["low"], epilogue["high"])
    return sums
