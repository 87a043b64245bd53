"""The analytic model of generation 0 for machines of many processors: waves of blocks, each a ring of stages.

A block goes through its stages at the pace of what is slowest: the products of a stage, the bytes that it
brings, or the time from asking for it to having it, shared among the stages that are under way. Blocks that a
processor holds at once share it; what a block does before its first product and after its last is hidden by
them alone. Blocks beyond what all processors hold wait for the next wave.

Blocks that stay begin once; with two teams, the results of one tile leave while the next is multiplied.

An estimate to rank by, not a bound. What it is made of stands under `limits:` and `estimate:` in the YAML:
`processors`, `macs_per_cycle` of each, `fill_bytes` that reach one in a cycle, `fill_latency` from asking to
having, `turn_cycles` that every stage costs beside, `block_cycles` to begin and end a block, `cluster_cycles`
to bring blocks of a cluster together, and `drain_bytes` of a result that leave a processor in a cycle.
"""

from __future__ import annotations

from math import prod

from heron_cli.elements import BYTES
from heron_cli.schedule.constraints.base import Poster
from heron_cli.schedule.nest import DIRECT
from heron_cli.schedule.primitives import Bind, Stay
from heron_cli.schedule.roofline import CYCLES
from heron_cli.space import Expression, ceil_div, const, maximum, minimum, product, select, total

_NEEDED = (
    "macs_per_cycle", "fill_bytes", "fill_latency",
    "turn_cycles", "block_cycles", "cluster_cycles", "drain_bytes",
)  # fmt: skip


def add_waves(poster: Poster) -> None:
    """Derive `roofline.cycles` where the accelerator states how many processors there are, and how fast."""
    template = poster.template
    known = template.accelerator.estimate
    processors = template.accelerator.limits.get("processors")
    if processors is None or any(name not in known for name in _NEEDED):
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
    pace = maximum((rows * columns * step) // known["macs_per_cycle"], moved // known["fill_bytes"], 1)
    under_way = maximum(1, poster.pipelined(level) - 1) if level is not None else const(1)
    each = ceil_div(blocks, processors)
    together = minimum(poster.resident, each)
    waves = space.derive("feature.waves", ceil_div(each, together))
    turn = maximum(pace * together, const(known["fill_latency"]) // under_way) + known["turn_cycles"]
    # staged results are written to shared memory and read again, which direct ones are spared
    drained = (rows * columns * (poster.by_store(DIRECT, 1, 2) * BYTES[einsum.accumulate])) // known[
        "drain_bytes"
    ]
    clusters = minimum(1, _bound(poster, "cluster") - 1) * known["cluster_cycles"]
    once, leaving = known["block_cycles"] + clusters, drained * together
    space.derive("feature.turns", turns)
    products = turns * turn
    ways = [
        waves * (products + once + leaving),
        waves * (products + leaving) + once,
        waves * maximum(products, leaving) + leaving + once,
    ]
    stays = next(template.all(Stay), None)
    estimate = space.derive("feature.estimate", ways[0] if stays is None else select(poster.teams, ways))
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
