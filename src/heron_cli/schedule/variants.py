"""The variants of a workload: rewrites of its einsum that give spaces of different shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from heron_cli.accelerator.model import Accelerator
from heron_cli.schedule.einsum import Einsum, Group
from heron_cli.schedule.rewrites import (
    complete,
    drop_all_unit_axes,
    drop_unit_axes,
    flatten,
    fuse_all,
    pad_axis,
)


@dataclass(frozen=True, slots=True)
class Rewriting:
    """One way to rewrite; `einsum` is None where it does not apply; `why` says why not, or what it does.

    `instruction` names the intrinsic to use; None leaves the choice to the tensorize rule, among those that
    compute what `computes` says. `filled_by` says what copies tiles into the near memories.
    """

    name: str
    einsum: Einsum | None
    why: str
    instruction: str | None = None
    filled_by: str = "threads"
    computes: str = "gemm"


def rewritings(einsum: Einsum, accelerator: Accelerator) -> list[Rewriting]:
    """All of them, those that do not apply included."""
    lacking = _lacking(einsum, accelerator)
    products = [Rewriting("any", None, lacking)] if lacking else _products(einsum, accelerator)
    by_lanes = any(intrinsic.computes == "dot" for intrinsic in accelerator.intrinsics)
    return [*products, _lanes(einsum, accelerator)] if by_lanes else products


def _products(einsum: Einsum, accelerator: Accelerator) -> list[Rewriting]:
    """Matrix products."""
    plain = drop_unit_axes(einsum)
    fused = fuse_all(plain, ("batch", "m", "n"))
    if accelerator.gathers:
        return _gathered(fused, accelerator)
    if accelerator.tails == "pad":  # fills pad rows and columns, which a fused axis no longer has
        return [_whole(plain if plain.outside() else fused, accelerator)]
    return [rewrite(fused, accelerator) for rewrite in _REWRITES]


def _lacking(einsum: Einsum, accelerator: Accelerator) -> str:
    """Why no rewriting gives a matrix product; empty if one may."""
    shapes = _shapes(accelerator)
    if not shapes:
        return f"{accelerator.name} has no intrinsic that computes matrix products"
    meanings: dict[Group, str] = {"n": "axis of weight and output alone", "k": "axis of the sum"}
    for dim, meaning in meanings.items():
        if not einsum.group(dim) and all(shape[dim] > 1 for shape in shapes):
            return f"the operator has no {dim}-like axis ({meaning}), so no matrix intrinsic covers it"
    return ""


def _shapes(accelerator: Accelerator) -> list[Mapping[str, int]]:
    """Of the intrinsics that compute matrix products."""
    found = (each for each in accelerator.intrinsics if each.computes == "gemm")
    return [shape for intrinsic in found for shape in intrinsic.shapes]


def _lanes(einsum: Einsum, accelerator: Accelerator) -> Rewriting:
    """Dot products, one for each index that all operands have: channels that are groups of their own."""
    name = "lanes"
    if accelerator.tails != "overlap":
        return Rewriting(name, None, "only where tails overlap does a vector of lanes end with its axis")
    if not einsum.group("batch"):
        return Rewriting(name, None, "input, weight and output have no axis in common")
    if not einsum.weight.constant:
        return Rewriting(name, None, "the weight is not constant")
    plain = drop_all_unit_axes(einsum)
    channels = [axis.name for axis in plain.reduction if not einsum.window(axis.name) and axis.extent > 1]
    if plain.group("n") and channels:
        return Rewriting(
            name, None, f"the sum over {channels[0]} and {plain.group('n')[0].name} is a matrix product"
        )
    fused = fuse_all(plain, ("batch", "m", "n"))
    why = "lanes are channels with weights of their own, the intrinsic reduces over taps"
    return Rewriting(name, fused, why, computes="dot")


def _whole(einsum: Einsum, accelerator: Accelerator) -> Rewriting:
    """For machines without tails: every dimension of the intrinsic is padded to a whole number of blocks."""
    name = "whole"
    for dim in ("m", "n", "k"):
        unit = min(shape[dim] for shape in _shapes(accelerator))
        axes = [axis for axis in einsum.axes if axis.group == dim and len(axis.parts) == 1]
        if dim == "k":
            # blocks of a window's taps would overlap, so only channels are packed in blocks
            axes = [a for a in axes if einsum.reducible(a.name) and not einsum.window(a.name)]
        if unit == 1 or any(axis.extent % unit == 0 for axis in axes):
            continue
        if not axes:
            return Rewriting(name, None, f"no {dim}-like axis can be padded to {unit}")
        chosen = min(axes, key=lambda axis: -(-axis.extent // unit) * unit / axis.extent)
        einsum = pad_axis(einsum, chosen.name, unit)
    return Rewriting(name, einsum, "axes are whole numbers of the intrinsic's blocks")


def _least_k(accelerator: Accelerator) -> int:
    return min(shape["k"] for shape in _shapes(accelerator))


def _channels(einsum: Einsum) -> list[str]:
    """Reduction axes that an intrinsic can reduce over where they lie: channels, or taps that trail."""
    axes = [axis.name for axis in einsum.reduction if einsum.reducible(axis.name)]
    return [axis for axis in axes if not einsum.window(axis) or einsum.input.stride(axis) == 1]


def _direct(einsum: Einsum, accelerator: Accelerator) -> Rewriting:
    name, least = "direct", _least_k(accelerator)
    extents = einsum.extents
    if not any(extents[axis] >= least for axis in _channels(einsum)):
        return Rewriting(name, None, f"no contiguous reduction axis has {least} iterations")
    return Rewriting(name, einsum, "window taps are loops, the intrinsic reduces over channels")


def _runs(einsum: Einsum, accelerator: Accelerator) -> Rewriting:
    name = "runs"
    fused = fuse_all(einsum, ("k",))
    if len(fused.reduction) == len(einsum.reduction):
        return Rewriting(name, None, "no two reduction axes are contiguous in the input")
    if max(axis.extent for axis in fused.reduction) < _least_k(accelerator):
        return Rewriting(name, None, "the longest contiguous run is shorter than the intrinsic")
    return Rewriting(
        name, fused, "contiguous taps and channels are one run, which the intrinsic reduces over"
    )


def _padded(einsum: Einsum, accelerator: Accelerator) -> Rewriting:
    name, least = "padded", _least_k(accelerator)
    channels = [axis for axis in _channels(einsum) if len(einsum.axis(axis).parts) == 1]
    if not channels:
        return Rewriting(name, None, "no contiguous reduction axis can be padded")
    extents = einsum.extents
    chosen = min(
        channels, key=lambda axis: (-(-extents[axis] // least) * least / extents[axis], -extents[axis])
    )
    padded = pad_axis(einsum, chosen, least)
    if padded is einsum:
        return Rewriting(name, None, f"{chosen} is a multiple of {least}")
    return Rewriting(name, padded, f"{chosen} is filled up with zeros to a multiple of {least}")


def _gathered(einsum: Einsum, accelerator: Accelerator) -> list[Rewriting]:
    """For machines that gather: implicit GEMM, by every instruction that takes the operands' types."""
    asked = (einsum.input.dtype, einsum.weight.dtype, einsum.accumulate)
    names = dict.fromkeys(
        i.name
        for i in accelerator.intrinsics
        if (i.dtypes.input, i.dtypes.weight, i.dtypes.accumulate) == asked
    )
    runs = fuse_all(einsum, ("k",))
    forms = [("gather", einsum, "rows of all m-like axes are one dimension, gathered by address")]
    if len(runs.reduction) < len(einsum.reduction):
        forms.append(("runs", runs, "as gather, and contiguous taps and channels are one reduction"))
    fillers = dict.fromkeys(each for memory in accelerator.memories for each in memory.filled_by)
    found = []
    for form, start, why in forms:
        whole = complete(flatten(start, "m"))
        for filler in fillers:
            for name in names or (None,):
                label = "-".join(
                    [
                        form,
                        *([filler] if len(fillers) > 1 else []),
                        *([name] if name and len(names) > 1 else []),
                    ]
                )
                found.append(Rewriting(label, whole, why, name, filler))
    return found


_REWRITES: tuple[Callable[[Einsum, Accelerator], Rewriting], ...] = (_direct, _runs, _padded)
