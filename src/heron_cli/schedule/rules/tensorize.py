"""S1, tensorize: which intrinsic computes the einsum, and which axes it covers, by analysis alone."""

from __future__ import annotations

from collections.abc import Mapping

from heron_cli.accelerator.model import Intrinsic
from heron_cli.schedule.einsum import GROUPS, Axis, Einsum, Group
from heron_cli.schedule.primitives import Tensorize
from heron_cli.schedule.rules.base import NotApplicableError, ScheduleRule
from heron_cli.schedule.template import Template

_DIMS: Mapping[str, tuple[Group, ...]] = {"gemm": ("m", "n", "k"), "dot": ("batch", "k")}
"""What an intrinsic computes -> the groups whose axes it covers."""


class TensorizeRule(ScheduleRule):
    """Picks the intrinsic and the axes with the least waste, then the axis that trails in memory."""

    name = "S1 tensorize"

    def unless(self, template: Template) -> str | None:
        """Raises NotApplicableError when no intrinsic takes these operands."""
        if not self._choices(template):
            raise NotApplicableError(self._refusal(template))
        return None

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """Record the best choice."""
        waste, _, best = min(self._choices(template), key=lambda choice: choice[:2])
        covered = ", ".join(f"{dim} = {axis or '1'}" for dim, axis in best.axes.items())
        how = "repeated or on zeros" if best.intrinsic.computes == "dot" else "repeated"
        share = "" if waste == 1 else f", {100 * (waste - 1):.0f} % of the work {how}"
        return template.add(best), f"{best.intrinsic.name} {_shape(best.shape)} covers {covered}{share}"

    def _choices(self, template: Template) -> list[tuple[float, int, Tensorize]]:
        einsum, found = template.einsum, []
        for intrinsic in template.intrinsics:
            if not takes(intrinsic, einsum):
                continue
            for shape in intrinsic.shapes:
                lanes = intrinsic.computes == "dot"  # each of its inputs is read for itself
                masked = template.accelerator.gathers or lanes
                least = 1 if masked else shape["k"]  # what is masked need not exist
                axes = {
                    dim: _best(einsum, dim, shape[dim], least, scattered=lanes)
                    for dim in _DIMS[intrinsic.computes]
                }
                if any(axis is None and shape[dim] > 1 for dim, axis in axes.items()):
                    continue
                waste, distance = 1.0, 0
                for dim, axis in axes.items():
                    if axis is not None:
                        waste *= _waste(axis, shape[dim])
                        distance += _distance(einsum, axis)
                names: dict[str, str | None] = {
                    dim: None if axis is None or shape[dim] == 1 else axis.name for dim, axis in axes.items()
                }
                names = {**dict.fromkeys(("m", "n", "k")), **names}
                found.append((waste, distance, Tensorize(intrinsic, shape, names)))
        return found

    def _refusal(self, template: Template) -> str:
        einsum, accelerator = template.einsum, template.accelerator
        asked = f"{einsum.input.dtype} × {einsum.weight.dtype} → {einsum.accumulate}"
        known = ", ".join(
            f"{i.name}: {i.dtypes.input} × {i.dtypes.weight} → {i.dtypes.accumulate}"
            for i in template.intrinsics
        )
        if not any(takes(intrinsic, einsum) for intrinsic in template.intrinsics):
            return f"{accelerator.name} has no intrinsic for {asked} (it has {known})"
        needed: tuple[tuple[Group, str], ...] = (
            ("n", "axis of weight and output alone"),
            ("k", "axis of the sum"),
        )
        for dim, meaning in needed:
            if not einsum.group(dim):
                return f"the operator has no {dim}-like axis ({meaning}), so no matrix intrinsic covers it"
        return f"the reduction is shorter than the intrinsics of {accelerator.name} allow without padding"


def takes(intrinsic: Intrinsic, einsum: Einsum) -> bool:
    """Whether the intrinsic has the einsum's element types."""
    types = intrinsic.dtypes
    return (types.input, types.weight, types.accumulate) == (
        einsum.input.dtype,
        einsum.weight.dtype,
        einsum.accumulate,
    )


def _best(einsum: Einsum, dim: Group, extent: int, least: int, *, scattered: bool) -> Axis | None:
    """The axis of a group for one dimension of the intrinsic.

    A reduction must be contiguous, unless its inputs may be scattered, and long enough; lanes are never
    phases, some of which do not exist.
    """
    candidates = einsum.group(dim)
    if dim == "n":
        candidates = tuple(axis for axis in candidates if axis.name not in einsum.edges)
    if dim == "k" and not scattered:
        usable = [axis for axis in candidates if axis.extent >= least and einsum.reducible(axis.name)]
        channels = [axis for axis in usable if not einsum.window(axis.name)]
        runs = [axis for axis in usable if einsum.input.stride(axis.name) == 1]
        candidates = tuple(channels or runs)
    return min(candidates, key=lambda axis: (_waste(axis, extent), _distance(einsum, axis)), default=None)


def _waste(axis: Axis, unit: int) -> float:
    return -(-axis.extent // unit) * unit / axis.extent


def _distance(einsum: Einsum, axis: Axis) -> int:
    """How far the axis is from trailing in the dynamic operands that it moves."""
    return sum(
        access.stride(axis.name) for access in (einsum.input, einsum.output) if axis.name in access.names()
    )


def _shape(shape: Mapping[str, int]) -> str:
    return "×".join(str(shape[dim]) for dim in GROUPS if dim in shape)
