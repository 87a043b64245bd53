"""Exact products for the references.

Integer products go through float64 BLAS: every partial sum of b-bit integers stays below 2**53 for any
realistic length, so the result is exact, and it is far faster than numpy's integer matmul. Products of
floats are summed in float64, which is exact next to the types that kernels compute in; those of 16-bit floats
whose result has 16 bits too in float32, in which each product is exact: what the sum rounds is a small
share of the bound in `expected`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_cli.elements import is_float, numpy_type
from heron_cli.operators.workload import DTypes

_EXACT_BITS = 53


def sum_type(types: DTypes) -> np.dtype[Any]:
    """The type in which references hold sums.

    Integers: the accumulator's own. Floats: float64, or float32 where outputs have half of its precision
    and less, so that large references fit into memory.
    """
    accumulate, output = numpy_type(types.accumulate), numpy_type(types.output)
    if not is_float(accumulate):
        return accumulate
    return np.dtype(np.float32 if is_float(output) and output.itemsize < 4 else np.float64)


def matmul(a: NDArray[Any], b: NDArray[Any], types: DTypes) -> NDArray[Any]:
    """`a @ b` in `sum_type` (integers wrap at 32 bits, as the hardware does).

    Either both have the same leading axes, or `b` is one matrix.
    """
    if b.ndim == 2:
        return _product(a.reshape(-1, a.shape[-1]), b, types).reshape(*a.shape[:-1], b.shape[-1])
    result = np.empty((*a.shape[:-1], b.shape[-1]), sum_type(types))
    for index in np.ndindex(a.shape[:-2]):  # one at a time: float64 copies of all would not fit into memory
        result[index] = _product(a[index], b[index], types)
    return result


def _product(a: NDArray[Any], b: NDArray[Any], types: DTypes) -> NDArray[Any]:
    if not is_float(a.dtype):
        length = a.shape[-1]
        bits = 8 * (a.dtype.itemsize + b.dtype.itemsize) + length.bit_length()
        assert bits <= _EXACT_BITS, f"a sum of {length} products needs {bits} bits"
    whole = sum_type(types)
    half = max(a.dtype.itemsize, b.dtype.itemsize) <= 2 and whole == np.float32
    narrow = np.float32 if half else np.float64
    wide = np.matmul(a.astype(narrow), b.astype(narrow))
    product: NDArray[Any] = (
        wide.astype(whole, copy=False) if is_float(whole) else wide.astype(np.int64).astype(whole)
    )
    return product
