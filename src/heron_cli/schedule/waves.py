"""The analytic model of generation 0 for machines of many processors: waves of blocks, each a ring of stages.

A block goes through its stages at the pace of what is slowest: the products of a stage, the bytes that it
brings, or the time from asking for it to having it, shared among the stages that are under way. Blocks that a
processor holds at once share it; what a block does before its first product and after its last is hidden by
them alone. Blocks beyond what all processors hold wait for the next wave.

Estimates to rank by, not bounds: `roofline.cycles` from `limits.processors`, `macs_per_cycle` (of a processor),
`fill_bytes` (that reach a processor in a cycle), `fill_latency` and `block_cycles` (to begin and end a block).
"""

from __future__ import annotations

from math import prod

from heron_cli.elements import BYTES
from heron_cli.schedule.constraints.base import Poster
from heron_cli.schedule.primitives import Bind
from heron_cli.schedule.roofline import CYCLES
from heron_cli.space import Expression, ceil_div, const, maximum, minimum, product, total

_STAGED = 64  # bytes of a result that a processor stages in a cycle, on their way out
_NEEDED = ("processors", "macs_per_cycle", "fill_bytes", "fill_latency", "block_cycles")


def add_waves(poster: Poster) -> None:
    """Derive `roofline.cycles` where the accelerator states how many processors there are, and how fast."""
    template = poster.template
    limits = template.accelerator.limits
    if any(name not in limits for name in _NEEDED):
        return
    space, tensorize, einsum = poster.space, template.tensorize, template.einsum
    level = next((level.name for level in template.accelerator.levels if level.pipeline), None)
    rows, columns, step = (_tile(poster, dim) for dim in ("m", "n", "k"))
    blocks = product([_bound(poster, kind) for kind in ("blockIdx.x", "cluster")])
    k = tensorize.axes["k"]
    taps = prod(axis.extent for axis in einsum.reduction if axis.name != k)
    turns: Expression = const(taps)
    if k is not None and level is not None:
        turns = taps * poster.factor(level, k)
    size = BYTES[einsum.input.dtype]
    moved = total(
        [
            (rows * step * size) // _sharers(poster, "n"),
            (columns * step * size) // _sharers(poster, "m"),
        ]
    )
    pace = maximum((rows * columns * step) // limits["macs_per_cycle"], moved // limits["fill_bytes"], 1)
    under_way = maximum(1, poster.pipelined(level) - 1) if level is not None else const(1)
    each = ceil_div(blocks, limits["processors"])
    together = minimum(poster.resident, each)
    waves = space.derive("feature.waves", ceil_div(each, together))
    turn = maximum(pace * together, const(limits["fill_latency"]) // under_way)
    ends = limits["block_cycles"] + (rows * columns * (2 * BYTES[einsum.accumulate])) // _STAGED * together
    space.derive("feature.turns", turns)
    estimate = space.derive("feature.estimate", waves * (turns * turn + ends))
    space.derive(CYCLES, estimate)


def _tile(poster: Poster, dim: str) -> Expression:
    """Elements of a block's tile along a dimension; along k, of one stage."""
    template = poster.template
    axis = template.tensorize.axes[dim]
    if axis is None:
        return const(template.tensorize.shape[dim])
    split = template.split(axis)
    threads = [bind.level for bind in template.all(Bind) if bind.kind.startswith("threadIdx")]
    inner = [split.inner] if len(split.levels) > 1 else []
    levels = [*inner, *(level for level in threads if level in split.levels)]
    return product([const(split.unit), *(poster.factor(level, axis) for level in levels)])


def _bound(poster: Poster, kind: str) -> Expression:
    """Iterations of all axes at the levels bound to some hardware."""
    template = poster.template
    names = [bind.level for bind in template.all(Bind) if bind.kind == kind]
    axes = [axis.name for axis in template.einsum.axes]
    return product([const(1), *(poster.factor(name, axis) for name in names for axis in axes)])


def _sharers(poster: Poster, dim: str) -> Expression:
    """Blocks of a cluster along a dimension, which share tiles of the operand that it does not move."""
    template = poster.template
    axis = template.tensorize.axes[dim]
    names = [bind.level for bind in template.all(Bind) if bind.kind == "cluster"]
    return product([const(1), *(poster.factor(name, axis) for name in names if axis is not None)])
