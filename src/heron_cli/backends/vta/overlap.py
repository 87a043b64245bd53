"""The time of operations on three modules with one bus: what `timing` computes, without instructions.

An operation is one instruction, or several alike that follow each other in their module. It waits for
operations of other modules by number, which is what tokens mean: a module works in order, so the token of
a later operation covers those before it. Between transfers the modules do not meet but in these waits, so
compute runs ahead until it needs the bus, or a tile that is not there; then the transfer that can begin
first has the bus.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

NONE = -1
"""Waits for nothing."""


class Transfer(NamedTuple):
    """`count` transfers alike: each `bus` cycles on the bus, then `own` of padding; after compute's `wait`."""

    count: int
    bus: int
    own: int
    wait: int


class Computation(NamedTuple):
    """`own` cycles of compute, after load's `load` and store's `store`; or, with `bus`, `count` transfers."""

    own: int
    load: int = NONE
    store: int = NONE
    count: int = 0
    bus: int = 0


@dataclass
class Operations:
    """What each module does, in order."""

    loads: list[Transfer] = field(default_factory=list)
    computations: list[Computation] = field(default_factory=list)
    stores: list[Transfer] = field(default_factory=list)


def cycles(operations: Operations, decode: int, latency: int) -> int:
    """When the last module is done.

    Requests are served in the order of their begin, on a tie load before compute before store, as `timing`
    does. Raises AssertionError when operations wait for each other in a circle.
    """
    loads, computations, stores = operations.loads, operations.computations, operations.stores
    loaded: list[int] = []  # ends, by operation
    computed: list[int] = []
    stored: list[int] = []
    free_load = free_compute = free_store = bus = 0
    left_load = loads[0].count if loads else 0
    left_compute, left_store = 0, stores[0].count if stores else 0
    before = decode + latency
    never = 1 << 62
    while True:
        while len(computed) < len(computations):
            own, load, store, count, on_bus = computations[len(computed)]
            if load >= len(loaded) or store >= len(stored) or count:
                break
            if load >= 0 and loaded[load] > free_compute:
                free_compute = loaded[load]
            if store >= 0 and stored[store] > free_compute:
                free_compute = stored[store]
            free_compute += decode + own
            computed.append(free_compute)
        ready_load = ready_compute = ready_store = never
        if len(loaded) < len(loads):
            wait = loads[len(loaded)].wait
            if wait < len(computed):
                ready_load = max(free_load, computed[wait]) if wait >= 0 else free_load
        if len(computed) < len(computations):
            own, load, store, count, on_bus = computations[len(computed)]
            if count and load < len(loaded) and store < len(stored):
                ready_compute = free_compute
        if len(stored) < len(stores):
            wait = stores[len(stored)].wait
            if wait < len(computed):
                ready_store = max(free_store, computed[wait]) if wait >= 0 else free_store
        if ready_load <= ready_compute and ready_load <= ready_store:
            if ready_load == never:
                break
            _, on_bus, own, _ = loads[len(loaded)]
            limit = ready_compute if ready_compute < ready_store else ready_store
            free_load, bus, done = _serve(ready_load, left_load, on_bus, own, bus, before, limit)
            left_load -= done
            if not left_load:
                loaded.append(free_load)
                left_load = loads[len(loaded)].count if len(loaded) < len(loads) else 0
        elif ready_compute <= ready_store:
            limit = min(ready_load - 1, ready_store)
            left_compute = left_compute or count
            free_compute, bus, done = _serve(ready_compute, left_compute, on_bus, own, bus, before, limit)
            left_compute -= done
            if not left_compute:
                computed.append(free_compute)
        else:
            _, on_bus, own, _ = stores[len(stored)]
            limit = min(ready_load, ready_compute) - 1
            free_store, bus, done = _serve(ready_store, left_store, on_bus, own, bus, before, limit)
            left_store -= done
            if not left_store:
                stored.append(free_store)
                left_store = stores[len(stored)].count if len(stored) < len(stores) else 0
    done_all = (len(loaded), len(computed), len(stored)) == (len(loads), len(computations), len(stores))
    assert done_all, "operations wait for each other in a circle"
    return max(free_load, free_compute, free_store)


def _serve(
    start: int, left: int, on_bus: int, own: int, bus: int, before: int, limit: int
) -> tuple[int, int, int]:
    """Serve the first of `left` transfers alike, and those that begin up to `limit`.

    The module's end, the bus' end, and how many were served. After the first the bus is free whenever the
    module is, so the others take the same time each.
    """
    end = start + before
    if bus > end:
        end = bus
    end += on_bus + own
    if left == 1 or end > limit:
        return end, end - own, 1
    step = before + on_bus + own
    more = min(left - 1, (limit - end) // step + 1)
    end += more * step
    return end, end - own, more + 1
