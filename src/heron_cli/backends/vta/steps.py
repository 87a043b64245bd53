"""The elements that the steps of a GEMM or ALU instruction touch, in the order of execution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]


def steps(bases: Numbers, outer: tuple[int, int], inner: tuple[int, int]) -> Numbers:
    """The element of every step. `bases`: that of each micro-op; loops are (iterations, factor)."""
    rows = np.arange(outer[0])[:, None, None] * outer[1] + np.arange(inner[0])[:, None] * inner[1]
    found: Numbers = (rows + bases).reshape(-1)
    return found
