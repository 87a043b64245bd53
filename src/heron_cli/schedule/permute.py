"""Stages that reorder: which element of a new dimension each element of several old ones becomes.

A stage that reads element (v // 2, v % 2) of the sum for its own element v puts two dimensions into one. Said
the other way round, element (q, p) of the sum goes to v = 2·q + p, which is affine, so the stage becomes an
index of the output and is not computed at all. The inverse is found and checked by enumerating v.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from math import prod

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
_MOST = 1 << 20  # elements of the old dimensions that are checked
_SEARCHED = 40  # largest coefficient that is tried where too few elements are read to tell


def inverse(reads: Sequence[Indices], shape: Sequence[int]) -> tuple[list[int], int] | None:
    """Coefficients c and offset b such that v = Σ c·reads[v] + b, or None if there are none.

    `reads` holds, for every old dimension of extent `shape`, the coordinate that element v reads. Old
    elements that no v reads must fall outside the range of v.
    """
    points = np.stack(reads)
    if prod(shape) > _MOST:
        return None
    fixed = [_step(points, place) for place in range(len(reads))]
    open_ = [p for p, c in enumerate(fixed) if c is None and np.ptp(points[p])]
    most = min(points.shape[1] + sum(shape), _SEARCHED)
    for chosen in product(sorted(range(-most, most + 1), key=abs), repeat=len(open_)):
        coefficients = list(fixed)
        for place, c in zip(open_, chosen, strict=True):
            coefficients[place] = c
        found = _checked(points, _spread(coefficients, points.shape[1], shape), shape)
        if found is not None:
            return found
    return None


def _spread(coefficients: Sequence[int | None], count: int, shape: Sequence[int]) -> list[int]:
    """Coefficients of coordinates that never change, such that all others of theirs are outside."""
    known = sum(abs(c) * (n - 1) for c, n in zip(coefficients, shape, strict=True) if c is not None)
    far, found = count + known, []
    for c, n in zip(coefficients, shape, strict=True):
        found.append(c if c is not None else 0 if n == 1 else far)
        far *= n + 1 if c is None else 1
    return found


def _checked(points: Indices, found: list[int], shape: Sequence[int]) -> tuple[list[int], int] | None:
    count = points.shape[1]
    offset = -int(np.dot(found, points[:, 0]))
    if not np.array_equal(np.dot(found, points) + offset, np.arange(count)):
        return None
    target = np.dot(found, np.indices(shape).reshape(len(shape), -1)) + offset
    inside = (target >= 0) & (target < count)
    return (found, offset) if int(inside.sum()) == count else None


def _step(points: Indices, place: int) -> int | None:
    """How far v moves when one coordinate alone moves by one, None if it never does."""
    others = np.delete(points, place, axis=0)
    order = np.lexsort((points[place], *others))
    for first, second in pairwise(order.tolist()):
        moved = int(points[place, second] - points[place, first])
        if moved and np.array_equal(others[:, first], others[:, second]):
            return int(second - first) // moved
    return None
