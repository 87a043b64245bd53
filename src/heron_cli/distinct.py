"""Distinct rows of whole numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def first_of_each(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where each distinct row comes first, in the order of their values.

    As `numpy.unique` of rows finds it, which compares them byte by byte; here they become few integers.
    """
    if not len(rows):
        return np.empty(0, np.int64)
    low = rows.min(axis=0)
    spans = (rows.max(axis=0) - low + 1).tolist()
    keys, room = [np.zeros(len(rows), np.int64)], 1
    for column, span in enumerate(spans):
        if room * span > 1 << 62:
            keys.append(np.zeros(len(rows), np.int64))
            room = 1
        keys[-1] = keys[-1] * span + (rows[:, column] - low[column])
        room *= span
    order = np.lexsort(keys[::-1])
    new = np.ones(len(rows), bool)
    new[1:] = np.any([key[order[1:]] != key[order[:-1]] for key in keys], axis=0)
    return order[new]
