"""Exact products for the references.

Integer products go through float64 BLAS: every partial sum of b-bit integers stays below 2**53 for any
realistic length, so the result is exact, and it is far faster than numpy's integer matmul.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_cli.operators.workload import DTypes

_EXACT_BITS = 53


def matmul(a: NDArray[Any], b: NDArray[Any], types: DTypes) -> NDArray[Any]:
    """`a @ b` in the type `types.accumulate` (integers wrap at 32 bits, as the hardware does)."""
    if np.issubdtype(a.dtype, np.integer):
        length = a.shape[-1]
        bits = 8 * (a.dtype.itemsize + b.dtype.itemsize) + length.bit_length()
        assert bits <= _EXACT_BITS, f"a sum of {length} products needs {bits} bits"
        wide = np.matmul(a.astype(np.float64), b.astype(np.float64))
        exact: NDArray[Any] = wide.astype(np.int64).astype(types.accumulate)
        return exact
    rounded: NDArray[Any] = np.matmul(a.astype(np.float32), b.astype(np.float32))
    return rounded.astype(types.accumulate)
