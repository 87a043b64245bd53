"""The analytic model of generation 0: a roofline over the memories that transfers fill.

Williams, Waterman and Patterson, "Roofline", CACM 52(4), 2009: a program takes at least as long as its
arithmetic and at least as long as its traffic. Both follow from the template alone, as expressions of the
space, so CP-SAT minimises them exactly. They count cycles; what the accelerator does not state costs nothing.

* Arithmetic: intrinsic calls, one a cycle. Where `limits.accumulator_distance` is given, calls on one
  accumulator keep that distance: where the innermost spatial loops are shorter, the calls wait.
* Traffic: every transfer into a memory that a level fills, and the output, at `limits.bus_bytes` a cycle. A
  tile that is still in one of its buffers is not transferred again; padding is not transferred at all.
* `roofline.bound` is the larger of the two: no program of the model is faster. `roofline.cycles` adds what
  one transfer waits for (`limits.dram_latency`) and, where nothing runs beside the transfers (one buffer, one
  virtual thread), both times one after the other: an estimate to rank by, not a bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from heron_cli.schedule.constraints.base import Poster
from heron_cli.schedule.einsum import Access, Dim
from heron_cli.schedule.primitives import Bind, Hold, Order, Split
from heron_cli.schedule.template import Template
from heron_cli.space import Expression, Var, ceil_div, const, maximum, minimum, product, select, total

BOUND, CYCLES = "roofline.bound", "roofline.cycles"
_SCALE = 64  # calls, in which fractions of a cycle per call are counted
_BYTES = {"int8": 1, "uint8": 1, "float16": 2, "bfloat16": 2, "int32": 4, "float32": 4}

Loop = tuple[str, str]  # (axis, level)


def add_roofline(poster: Poster) -> None:
    """Derive `roofline.*` where the accelerator has levels that fill memories over a bus of known width."""
    template = poster.template
    einsum, limits = template.einsum, template.accelerator.limits
    filled = [hold for hold in template.holds if hold.operand in ("input", "weight")]
    bus = limits.get("bus_bytes")
    if bus is None or not filled:
        return
    space, latency = poster.space, limits.get("dram_latency", 0)
    calls = space.derive("roofline.calls", _calls(poster))
    tiles = product([poster.tiles(axis.name) for axis in einsum.spatial])
    steps = product([poster.tiles(axis.name) for axis in einsum.axes])
    finish, operations = _finish(poster)
    fills = steps * limits.get("gemm_fill", 0) + tiles * (operations * limits.get("alu_fill", 0))
    output = prod(axis.extent for axis in einsum.spatial) * _BYTES[einsum.output.dtype]
    moved: list[Expression] = [const(output)]
    transfers: list[Expression] = []
    rows: list[Expression] = []
    for hold in filled:
        access = einsum.input if hold.operand == "input" else einsum.weight
        repeats = space.derive(f"roofline.{hold.operand}.repeats", _repeats(poster, hold, access))
        moved.append(space.derive(f"roofline.{hold.operand}.bytes", repeats * _once(poster, hold, access)))
        transfers.append(repeats * _tiles(poster, access))
        rows.append(repeats * _rows(poster, hold, access))
    traffic = space.derive("roofline.traffic", total(moved) // bus)
    space.derive(BOUND, maximum(calls + finish, traffic))
    arithmetic = space.derive("roofline.arithmetic", calls + finish + fills)
    count = space.derive("roofline.transfers", total(transfers))
    begun = space.derive("roofline.rows", total(rows))
    waiting = space.derive(
        "roofline.waiting", traffic + latency * count + limits.get("row_cycles", 0) * begun
    )
    # What no overlap hides: the transfers before the first call, and the last tile's way out.
    ramp = space.derive("roofline.ramp", (waiting // steps) + (const(output // bus) // tiles))
    beside = space.derive("roofline.beside", minimum(1, _buffers(poster, filled) - 1))
    alone = (1 - beside) * minimum(arithmetic, waiting)
    space.derive(CYCLES, maximum(arithmetic, waiting) + alone + ramp)


def _finish(poster: Poster) -> tuple[int, int]:
    """Cycles of everything that is done to each output block beside its sums, and how many operations these
    are: clearing it, and the steps of the epilogue.
    """
    template = poster.template
    limits = template.accelerator.limits
    blocks = prod(template.split(axis.name).blocks for axis in template.einsum.spatial)
    immediate = limits.get("alu_immediate_cycles", 0)
    costs = [1]
    for op in template.einsum.epilogue:
        if op.kind == "add":
            costs.append(limits.get("alu_register_cycles", 0))
        elif op.kind in ("shift", "clip"):
            costs += [immediate for value in op.values if value is not None]
    return blocks * sum(costs), len(costs)


def _calls(poster: Poster) -> Expression:
    """Cycles to issue every intrinsic call: all blocks, times the wait between updates of one accumulator."""
    template = poster.template
    calls = prod(template.split(axis.name).blocks for axis in template.einsum.axes)
    distance = template.accelerator.limits.get("accumulator_distance", 1)
    orders = list(template.all(Order))
    if distance == 1 or not orders:
        return const(calls)
    inner = orders[-1]
    cases = [_slots(poster, inner.level, candidate, distance) for candidate in inner.candidates]
    slots = cases[0] if len(cases) == 1 else select(Var(f"order.{inner.level}"), cases)
    return calls * slots // _SCALE


def _slots(poster: Poster, level: str, order: Sequence[str], distance: int) -> Expression:
    """Cycles of `_SCALE` calls: `run` calls on accumulators of their own are repeated by reduction loops, and
    each round but the first begins `distance` cycles after the one before it, if the run is shorter than
    that. Never more than if every call waited.
    """
    run: Expression = const(1)
    rounds: Expression = const(1)
    apart: Expression = const(1)  # 1 while only spatial loops were met, counted outwards
    repeated: Expression = const(1)  # 1 until a spatial loop follows these reduction loops
    for name in reversed(order):
        factor = poster.factor(level, name)
        single = 2 - minimum(2, factor)
        if poster.template.einsum.axis(name).group == "k":
            rounds = rounds * (1 + repeated * (factor - 1))
            apart = apart * single
        else:
            run = minimum(distance, run * (1 + apart * (minimum(distance, factor) - 1)))
            repeated = repeated * maximum(apart, single)
    return minimum(_SCALE * distance, _SCALE * ((rounds - 1) * distance + run) // (rounds * run))


def _outer(template: Template, hold: Hold) -> list[Order]:
    """The orders of the loops outside a hold, but for those bound to hardware: each of these has buffers."""
    names = [level.name for level in template.accelerator.levels]
    bound = {bind.level for bind in template.all(Bind)}
    outside = names[: names.index(hold.level) + 1]
    return [order for order in template.all(Order) if order.level in outside and order.level not in bound]


def _moving(template: Template, access: Access) -> set[str]:
    return {axis.name for axis in template.einsum.axes if template.einsum.moves(axis, access)}


def _repeats(poster: Poster, hold: Hold, access: Access) -> Expression:
    """How often each tile of an operand is transferred.

    From the innermost loop outwards: a loop that does not move the operand repeats the transfers inside it
    when they fill more buffers than the operand has, since then none survives. Threads that share a tile each
    hold it.
    """
    template = poster.template
    moving = _moving(template, access)
    copies = poster.copies(hold.memory)
    orders = _outer(template, hold)
    shared = [
        poster.factor(bind.level, axis.name)
        for bind in template.all(Bind)
        for axis in template.einsum.axes
        if axis.name not in moving
    ]
    repeats: Expression = product([const(1), *shared])
    distinct: Expression = const(1)
    for order in reversed(orders):
        cases = [_walk(poster, order.level, each, moving, distinct, copies) for each in order.candidates]
        chosen = cases[0] if len(cases) == 1 else select(Var(f"order.{order.level}"), cases)
        repeats = repeats * chosen
        inside = [poster.factor(order.level, axis) for axis in order.candidates[0] if axis in moving]
        distinct = product([distinct, *inside])
    return repeats


def _walk(
    poster: Poster,
    level: str,
    order: Sequence[str],
    moving: set[str],
    distinct: Expression,
    copies: Expression,
) -> Expression:
    """The factor by which the loops of a level, in this order, repeat transfers of `distinct` tiles."""
    repeats: Expression = const(1)
    for axis in reversed(order):
        factor = poster.factor(level, axis)
        if axis in moving:
            distinct = distinct * factor
        else:
            evicted = minimum(1, distinct // (copies + 1))
            repeats = repeats * (1 + evicted * (factor - 1))
    return repeats


def _once(poster: Poster, hold: Hold, access: Access) -> Expression:
    """Bytes when every tile is transferred once: tiles overlap by their halo, and end with the data."""
    spans = [_span(poster, hold, dim) for dim in access.dims]
    return product([const(_BYTES[access.dtype]), *(total for _, total, _ in spans)])


def _rows(poster: Poster, hold: Hold, access: Access) -> Expression:
    """How many contiguous rows these bytes are: the intrinsic's blocks are the innermost, their indices the
    outermost dimensions of packed data; a dimension that is transferred whole continues the row inside it.
    """
    units = _units(poster)
    blocked = [dim for dim in access.dims if _unit(dim, units) > 1]
    ordered = [*blocked, *(dim for dim in access.dims if dim not in blocked)]
    rows: Expression = const(1)
    whole: Expression = const(1)  # 1 while everything inside is transferred whole
    for position, dim in enumerate(reversed(ordered)):
        unit = _unit(dim, units)
        length, covered, outside = _span(poster, hold, dim)
        tiles = _tiles_of(poster, dim)
        if position == 0:
            rows = tiles
        else:
            lines = ceil_div(covered, unit)
            rows = rows * (lines - whole * (lines - minimum(lines, tiles)))
        whole = const(0) if outside else whole * minimum(1, length // dim.extent)
    return rows


def _span(poster: Poster, hold: Hold, dim: Dim) -> tuple[Expression, Expression, int]:
    """Of one dimension: the coordinates that a tile touches, those with data that all tiles touch together,
    and how many coordinates of the whole operand lie in its padding.
    """
    einsum = poster.template.einsum
    levels = poster.below(hold.level)[1:]
    tiles = {axis.name: poster.tile(axis.name, levels) for axis in einsum.axes}
    low, high = dim.span({**einsum.extents, **_parts(poster)})
    outside = max(0, -low) + max(0, high - dim.extent + 1)
    length = poster.length(dim, tiles)
    covered = minimum(_most(poster, dim), _tiles_of(poster, dim) * length)
    return length, maximum(1, covered - outside), outside


def _most(poster: Poster, dim: Dim) -> int:
    """No less than what the tiles of a dimension touch, one after the other, whatever their size.

    ceil(blocks / f) tiles of unit · f coordinates end before twice the axis does, which the range of that
    product, the square of the axis, does not show: sums of ranges so wide would exceed the solver's numbers.
    """
    splits = [(abs(c), poster.template.split(name)) for name, c in dim.terms]
    blocks = prod(split.blocks for _, split in splits)
    return blocks + sum(c * 2 * split.unit * blocks for c, split in splits)


def _units(poster: Poster) -> dict[str, int]:
    return {split.axis: split.unit for split in poster.template.all(Split)}


def _unit(dim: Dim, units: Mapping[str, int]) -> int:
    """Coordinates in one of the intrinsic's blocks."""
    return max([1, *(units.get(name, 1) for name, _ in dim.terms)])


def _parts(poster: Poster) -> dict[str, int]:
    return {part.name: part.extent for axis in poster.template.einsum.axes for part in axis.parts}


def _tiles(poster: Poster, access: Access) -> Expression:
    return product([const(1), *(_tiles_of(poster, dim) for dim in access.dims)])


def _tiles_of(poster: Poster, dim: Dim) -> Expression:
    names = {name for name, _ in dim.terms}
    axes = [a.name for a in poster.template.einsum.axes if names & {a.name, *(p.name for p in a.parts)}]
    return product([const(1), *(poster.tiles(axis) for axis in axes)])


def _buffers(poster: Poster, filled: Sequence[Hold]) -> Expression:
    """The least number of buffers of any filled memory: with two, transfers run beside the arithmetic."""
    return minimum(*(poster.buffers(hold.memory) for hold in filled))
