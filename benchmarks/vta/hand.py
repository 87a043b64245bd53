"""A fixed schedule in the style of TVM's VTA tutorials, as an assignment: nothing of it depends on cycles.

The tutorial's convolution has tiles of 7 rows, 14 columns and 8 blocks of output channels, two virtual
threads along the output channels, one block of input channels at a time, and its reduction outside the
innermost spatial loop only. Factors are the largest that divide and do not exceed these.
"""

from __future__ import annotations

from benchmarks.vta.cycles import Cycles
from heron_cli.schedule.primitives import Order, Split

ROWS, COLUMNS, CHANNELS, THREADS = 7, 14, 8, 2
TILES = "C6 fill tiles"
"""The constraint on the number of tiles."""


def hand(cycles: Cycles) -> dict[str, int]:
    """The assignment. Tiles are halved, channels first, until they fit; more channels of the input at a time
    where there would be more tiles than a program may have. Raises ValueError if nothing fits.
    """
    einsum, template = cycles.variant.template.einsum, cycles.variant.template
    m = [axis.name for axis in einsum.group("m")]
    (n,) = (axis.name for axis in einsum.group("n"))
    channel = template.tensorize.axes["k"]
    wanted = {name: size for name, size in zip(m[-2:], (ROWS, COLUMNS), strict=True)} if len(m) > 1 else {}
    wanted |= {m[-1]: COLUMNS if len(m) > 1 else ROWS * COLUMNS, n: CHANNELS}
    splits = {split.axis: split for split in template.all(Split)}
    while True:
        values = dict.fromkeys(cycles.variant.space.names, 1)  # single copies: threads overlap instead
        for axis, split in splits.items():
            window = einsum.axis(axis).group == "k" and axis != channel
            count = split.blocks // THREADS if axis == n and split.blocks % THREADS == 0 else split.blocks
            most = split.blocks if window else wanted.get(axis, 1)
            values[f"{split.inner}.{axis}"] = _divisor(count, most)
        if splits[n].blocks % THREADS == 0:
            values[f"thread.{n}"] = THREADS
        for order in template.all(Order):
            if f"order.{order.level}" in values:
                values[f"order.{order.level}"] = order.candidates.index(_order(order, m, n, str(channel)))
        violated = [each.label for each in cycles.variant.evaluator.violations(values)]
        if not violated:
            return values
        if violated == [TILES] and channel is not None and wanted.get(channel, 1) < splits[channel].blocks:
            wanted[channel] = 2 * wanted.get(channel, 1)
            continue
        axis = next((name for name in (n, *m) if wanted.get(name, 1) > 1), None)
        if axis is None:
            raise ValueError(f"{cycles.task.key}: the hand schedule does not fit")
        wanted[axis] //= 2


def _order(order: Order, m: list[str], n: str, channel: str) -> tuple[str, ...]:
    """Output channels outermost; within a tile the last spatial loop innermost, then the window's taps."""
    axes = order.candidates[0]
    spatial = [n, *(name for name in m if name in axes)]
    reduction = [name for name in axes if name not in spatial]
    reduction.sort(key=lambda name: name != channel)
    chosen = tuple([*spatial[:-1], *reduction, spatial[-1]])
    if chosen not in order.candidates:
        raise ValueError(f"no order {' '.join(chosen)} at level {order.level}")
    return chosen


def _divisor(count: int, most: int) -> int:
    return max(size for size in range(1, most + 1) if count % size == 0)
