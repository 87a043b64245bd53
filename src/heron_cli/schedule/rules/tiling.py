"""Multi-level tiling: every axis over the accelerator's levels, and the loop orders that each allows."""

from __future__ import annotations

from heron_cli.accelerator.model import Level
from heron_cli.accelerator.words import INTRINSIC
from heron_cli.schedule.primitives import Order, Split, WriteBack
from heron_cli.schedule.rules.base import NotApplicableError, ScheduleRule
from heron_cli.schedule.template import Template


class MultiLevelTiling(ScheduleRule):
    """One factor for each (axis, level) that the YAML lists; a level's order is one knob."""

    name = "multi-level tiling"

    def unless(self, template: Template) -> str | None:
        """Every axis needs a level."""
        for axis in template.einsum.axes:
            if not self._levels(template, axis.name):
                raise NotApplicableError(
                    f"no level of {template.accelerator.name} has loops for axis {axis.name}"
                )
        return None

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """Record the splits, the orders outside the tile and the write-back."""
        tensorize, splits = template.tensorize, []
        unit = {axis: tensorize.shape[dim] for dim, axis in tensorize.axes.items() if axis is not None}
        for axis in template.einsum.axes:
            size = unit.get(axis.name, 1)
            levels = self._levels(template, axis.name)
            splits.append(Split(axis.name, size, -(-axis.extent // size), levels, template.accelerator.tails))
        orders = [
            Order(level.name, self._orders(template, level))
            for level in template.accelerator.levels
            if level.name != INTRINSIC and not level.unroll
        ]
        outermost = next(
            level.name
            for level in template.accelerator.levels
            if any(template.einsum.axis(axis).group == "k" for axis in template.axes_of(level))
        )
        count = sum(len(split.levels) for split in splits)
        return template.add(*splits, *orders, WriteBack(outermost)), f"{len(splits)} axes, {count} factors"

    def _levels(self, template: Template, axis: str) -> tuple[str, ...]:
        """The levels that split an axis.

        Where threads gather, spatial axes that the intrinsic does not cover are blocks, as batches are: the
        phases of a transposed convolution.
        """
        levels = [level for level in template.accelerator.levels if axis in template.axes_of(level)]
        covered = axis in template.tensorize.axes.values() or template.einsum.axis(axis).group == "k"
        if template.accelerator.gathers and not covered:
            levels = [level for level in levels if (level.bind or "").startswith("blockIdx")]
        return tuple(level.name for level in levels)

    def _orders(self, template: Template, level: Level) -> tuple[tuple[str, ...], ...]:
        """Design §3: `fixed` keeps batch, m, n, reduction; `free` moves n among m and may put k first;
        `mixed` moves the reduction group anywhere. Lanes count as n, whatever their group. Where they are a
        batch, the taps of a group are innermost: rows of the input are then shared among the other taps.
        """
        einsum, names, lane = template.einsum, template.axes_of(level), template.tensorize.lane
        lanes = [axis.name for axis in einsum.axes if axis.group == "n" or axis.name == lane]
        batch = [axis.name for axis in einsum.group("batch") if axis.name in names and axis.name not in lanes]
        m = [axis.name for axis in einsum.group("m") if axis.name in names]
        n = [name for name in lanes if name in names]
        k = [axis.name for axis in einsum.reduction if axis.name in names]
        spatial = [[*batch, *m, *n]]
        reduction = [k]
        if level.order in ("free", "mixed"):
            spatial = [[*batch, *m[:i], *n, *m[i:]] for i in range(len(m), -1, -1)] if n else spatial
            first = template.tensorize.axes["k"]
            if first in k and len(k) > 1 and not template.tensorize.batched:
                reduction.append([first, *(axis for axis in k if axis != first)])
        places = range(len(spatial[0]) + 1) if level.order == "mixed" and k else [len(spatial[0])]
        found = [(*s[:i], *r, *s[i:]) for s in spatial for r in reduction for i in places]
        return tuple(dict.fromkeys(found))
