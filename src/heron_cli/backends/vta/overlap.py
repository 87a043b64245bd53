"""The time of operations on three modules with one bus: what `timing` computes, without instructions.

An operation is one instruction, or several alike that follow each other in their module. It waits for
operations of other modules by number, which is what tokens mean: a module works in order, so the token of
a later operation covers those before it. Between transfers the modules meet in these waits only, so compute
runs ahead until it needs the bus, or a tile that is not there; then the transfer that can begin first has
the bus.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

NONE = -1
"""Waits for nothing."""
_NEVER = 1 << 62


class Transfer(NamedTuple):
    """`count` transfers alike: each `bus` cycles on the bus, then `own` of padding; after compute's `wait`."""

    count: int
    bus: int
    own: int
    wait: int


class Computation(NamedTuple):
    """After load's `load` and store's `store`: `own` cycles, or `count` > 0 transfers as in `Transfer`."""

    count: int
    bus: int
    own: int
    load: int = NONE
    store: int = NONE


def finish(
    loads: Sequence[tuple[int, int, int, int]],
    computations: Iterable[tuple[int, int, int, int, int]],
    stores: Sequence[tuple[int, int, int, int]],
    decode: int,
    latency: int,
) -> int:
    """The cycle in which the last module is done; operations are tuples as `Transfer` and `Computation`.

    Requests are served in the order of their begin, on a tie load before compute before store, as `timing`
    does; compute's own transfers wait for nothing. Raises RuntimeError when operations wait for each other
    in a circle.
    """
    loaded: list[int] = []  # ends of operations, by number
    computed: list[int] = []
    stored: list[int] = []
    loading, storing = iter(loads), iter(stores)
    end = (0, 0, 0, _NEVER)
    load_left, load_bus, load_own, load_wait = next(loading, end)
    store_left, store_bus, store_own, store_wait = next(storing, end)
    load_free = free = store_free = bus = 0
    before = decode + latency
    done = loads_done = stores_done = 0
    for count, own_bus, own, load, store in (*computations, (0, 0, 0, _NEVER, _NEVER)):
        while True:
            if not count and load < loads_done and store < stores_done:
                if load >= 0 and loaded[load] > free:
                    free = loaded[load]
                if store >= 0 and stored[store] > free:
                    free = stored[store]
                free += decode + own
                computed.append(free)
                done += 1
                break
            # Compute needs the bus or waits for a transfer: the transfer that can begin first is next.
            load_begin = compute_begin = store_begin = _NEVER
            if load_wait < done:
                load_begin = load_free
                if load_wait >= 0 and computed[load_wait] > load_begin:
                    load_begin = computed[load_wait]
            if count:
                compute_begin = free
            if store_wait < done:
                store_begin = store_free
                if store_wait >= 0 and computed[store_wait] > store_begin:
                    store_begin = computed[store_wait]
            if load_begin <= compute_begin and load_begin <= store_begin:
                if load_begin == _NEVER:
                    break  # nothing is left, or all wait for each other
                limit = compute_begin if compute_begin < store_begin else store_begin
                load_free, bus, load_left = _serve(
                    load_begin, load_left, load_bus, load_own, bus, before, limit
                )
                if not load_left:
                    loaded.append(load_free)
                    loads_done += 1
                    load_left, load_bus, load_own, load_wait = next(loading, end)
            elif compute_begin <= store_begin:
                limit = load_begin - 1 if load_begin <= store_begin else store_begin
                free, bus, count = _serve(free, count, own_bus, own, bus, before, limit)
                if not count:
                    computed.append(free)
                    done += 1
                    break
            else:
                limit = (load_begin if load_begin < compute_begin else compute_begin) - 1
                store_free, bus, store_left = _serve(
                    store_begin, store_left, store_bus, store_own, bus, before, limit
                )
                if not store_left:
                    stored.append(store_free)
                    stores_done += 1
                    store_left, store_bus, store_own, store_wait = next(storing, end)
    if load_wait != _NEVER or store_wait != _NEVER:
        raise RuntimeError("operations wait for each other in a circle")
    return max(load_free, free, store_free)


def _serve(
    begin: int, left: int, on_bus: int, own: int, bus: int, before: int, limit: int
) -> tuple[int, int, int]:
    """Serve the first of `left` transfers alike, and those of them that begin up to `limit`.

    When the module and the bus are free, and how many are left. After the first the bus is free whenever
    the module is, so the others take the same time each.
    """
    end = begin + before
    if bus > end:
        end = bus
    end += on_bus + own
    left -= 1
    if left and end <= limit:
        step = before + on_bus + own
        more = min(left, (limit - end) // step + 1)
        end += more * step
        left -= more
    return end, end - own, left
