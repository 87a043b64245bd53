"""What on-chip memories hold in the course of a program: tiles in rotating buffers, kernels of micro-ops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Held:
    """Of every use, in order: its `place` in the memory, and whether it must be loaded first (`missing`)."""

    places: Numbers
    missing: Flags


def rotate(contents: Numbers, copies: int) -> Held:
    """Tiles, told apart by number, in `copies` buffers that are refilled in turn unless one holds the tile.

    Places are the numbers of buffers.
    """
    changed = np.ones(len(contents), bool)
    changed[1:] = contents[1:] != contents[:-1]
    tiles = contents[changed]
    # A tile of `copies` or fewer changes ago may still be there; where there is none, every change misses.
    if any((tiles[back:] == tiles[:-back]).any() for back in range(2, copies + 1)):
        places, missing = _in_turn(tiles.tolist(), copies)
    else:
        places, missing = np.arange(len(tiles)) % copies, np.ones(len(tiles), bool)
    full = np.zeros(len(contents), bool)
    full[changed] = missing
    return Held(places[np.cumsum(changed) - 1], full)


def _in_turn(tiles: list[int], copies: int) -> tuple[Numbers, Flags]:
    held: list[int | None] = [None] * copies
    places, missing, turn = [], [], -1
    for tile in tiles:
        missing.append(tile not in held)
        if missing[-1]:
            turn = (turn + 1) % copies
            held[turn] = tile
        places.append(held.index(tile))
    return np.array(places, np.int64), np.array(missing, bool)


def stack(contents: Numbers, sizes: Numbers, capacity: int) -> Held:
    """Things of some size, told apart by number, one after the other; emptied when the next does not fit."""
    _, first, which = np.unique(contents, return_index=True, return_inverse=True)
    if sizes[first].sum() > capacity:
        return _emptied(contents.tolist(), sizes.tolist(), capacity)
    order = np.argsort(first)
    begins = np.empty(len(first), np.int64)
    begins[order] = np.cumsum(sizes[first[order]]) - sizes[first[order]]
    missing = np.zeros(len(contents), bool)
    missing[first] = True
    return Held(begins[which], missing)


def _emptied(contents: list[int], sizes: list[int], capacity: int) -> Held:
    held: dict[int, int] = {}
    places, missing, top = [], [], 0
    for content, size in zip(contents, sizes, strict=True):
        missing.append(content not in held)
        if missing[-1]:
            if top + size > capacity:
                held.clear()
                top = 0
            held[content] = top
            top += size
        places.append(held[content])
    return Held(np.array(places, np.int64), np.array(missing, bool))


def previous(places: Numbers) -> Numbers:
    """For every use the last one before it of the same place, -1 for the first."""
    order = np.argsort(places, kind="stable")
    found = np.full(len(places), -1)
    same = places[order[1:]] == places[order[:-1]]
    found[order[1:][same]] = order[:-1][same]
    return found


def filled(held: Held) -> Numbers:
    """For every use of a place the last one, itself included, that had to load it."""
    order = np.argsort(held.places, kind="stable")
    loads = np.where(held.missing[order], np.arange(len(order)), 0)  # the first use of a place loads it
    found = np.empty(len(order), np.int64)
    found[order] = order[np.maximum.accumulate(loads)]
    return found
