"""Element types by name: their numpy type, size and precision. bfloat16 comes from `ml_dtypes`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

BYTES = {"uint8": 1, "int8": 1, "int32": 4, "float16": 2, "bfloat16": 2, "float32": 4}
"""Bytes of an element of the types that workloads may have."""


def numpy_type(name: str) -> np.dtype[Any]:
    """The numpy type called `name`. Raises TypeError when there is none."""
    import numpy as np

    if name == "bfloat16":
        import ml_dtypes

        name = ml_dtypes.bfloat16
    dtype: np.dtype[Any] = np.dtype(name)
    return dtype


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether a numpy type is a floating-point one; bfloat16, which numpy calls void, included."""
    return dtype.kind == "f" or dtype.name == "bfloat16"


def limits(dtype: np.dtype[Any]) -> Any:
    """Numpy's `finfo` of a floating-point type, bfloat16 included."""
    import ml_dtypes

    of: Any = ml_dtypes.finfo
    return of(dtype)


def unit_roundoff(name: str) -> float:
    """The largest relative error of rounding to nearest, 2^-p for p bits of precision; 0 for integers."""
    dtype = numpy_type(name)
    return float(limits(dtype).eps) / 2 if is_float(dtype) else 0.0


def smallest(name: str) -> float:
    """The smallest positive number of a floating-point type (subnormal)."""
    return float(limits(numpy_type(name)).smallest_subnormal)
