"""Four rows of bytes → four vectors of words, a word being a column: sixteen shuffles of whole vectors.

Each is one that the CPU has: neighbours within quarters of a vector, then quarters as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.x86 import forms

BLOCKS = 4
"""Vectors that are made at once."""
SHAPE = (16, 4, 1)
"""Lanes of a vector, elements of a lane, bytes of an element."""
_BYTES = 64
_QUARTER = _BYTES // 4


def blocks(source: Any, rows: Sequence[Any], target: Any, places: Sequence[Any], dtype: str) -> Any:
    """Statements that store at `places` the columns of the vectors that begin at `rows`, 16 columns each."""
    statements: list[Any] = []

    def keep(value: Any) -> Any:
        register = tir.register("part", dtype, _BYTES)
        statements.append(tir.allocate_register(register))
        statements.append(tir.store(register, 0, value, _BYTES))
        return register

    def mixed(a: Any, b: Any, order: Sequence[int]) -> Any:
        return keep(forms.shuffle([tir.load(a, 0, _BYTES), tir.load(b, 0, _BYTES)], order))

    r = [keep(tir.load(source, row, _BYTES)) for row in rows]
    pairs = [mixed(r[i], r[i + 1], _neighbours(1, half)) for i in (0, 2) for half in (0, 1)]
    # t[c]: of every quarter, columns 4 c to 4 c + 3
    t = [mixed(pairs[half], pairs[2 + half], _neighbours(2, low)) for half in (0, 1) for low in (0, 1)]
    first, second = (
        [mixed(t[i], t[i + 1], _quarters(half, half + 1, half + 4, half + 5)) for i in (0, 2)]
        for half in (0, 2)
    )
    for (a, b), some in ((first, places[:2]), (second, places[2:])):
        for odd, place in enumerate(some):
            vector = mixed(a, b, _quarters(odd, odd + 2, odd + 4, odd + 6))
            statements.append(tir.store(target, place, tir.load(vector, 0, _BYTES), _BYTES))
    return tir.sequence(statements)


def _neighbours(size: int, half: int) -> list[int]:
    """Units of so many bytes of two vectors in turns, from one half of each quarter."""
    found: list[int] = []
    for quarter in range(4):
        begin = quarter * _QUARTER + half * _QUARTER // 2
        for unit in range(begin, begin + _QUARTER // 2, size):
            for vector in (0, _BYTES):
                found += range(vector + unit, vector + unit + size)
    return found


def _quarters(*chosen: int) -> list[int]:
    """Quarters of two vectors, which are numbered one after the other."""
    return [quarter * _QUARTER + i for quarter in chosen for i in range(_QUARTER)]


def rows(vectors: Sequence[Any], lanes: int, dtype: str, statements: list[Any]) -> Any:
    """One vector of words, of which each holds the elements that one lane has in several vectors.

    Of bytes, two shuffles that the CPU has: words across the vector, then bytes within its quarters.
    """
    depth, total = len(vectors), len(vectors) * lanes
    if depth == 2:
        order = [row * lanes + lane for lane in range(lanes) for row in range(depth)]
        return forms.reinterpret(forms.shuffle(vectors, order), f"int32x{lanes}")
    together = tir.register("rows", dtype, total)
    statements += [
        tir.allocate_register(together),
        tir.store(together, 0, forms.shuffle(vectors, range(total)), total),
    ]
    words = forms.reinterpret(tir.load(together, 0, total), f"int32x{lanes}")
    across = [row * (lanes // depth) + part for part in range(lanes // depth) for row in range(depth)]
    parts = tir.register("parts", "int32", lanes)
    statements += [tir.allocate_register(parts), tir.store(parts, 0, forms.shuffle([words], across), lanes)]
    elements = forms.reinterpret(tir.load(parts, 0, lanes), f"{dtype}x{total}")
    within = [
        part * depth * depth + row * depth + lane
        for part in range(lanes // depth)
        for lane in range(depth)
        for row in range(depth)
    ]
    return forms.reinterpret(forms.shuffle([elements], within), f"int32x{lanes}")
