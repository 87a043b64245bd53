"""Random operands that leave a wrong kernel no place to hide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_cli.backends.base import Operand
from heron_cli.elements import is_float, limits, numpy_type
from heron_cli.errors import InputError

_EXTREME_SHARE = 1 / 8


def random_operands(
    operands: Sequence[Operand], seed: int, prescribed: Mapping[str, NDArray[Any]] | None = None
) -> dict[str, NDArray[Any]]:
    """An array for every operand but the last, the output. The same seed gives the same arrays.

    `prescribed` holds the operands whose values are part of the workload.
    """
    generator, given = np.random.default_rng(seed), prescribed or {}
    return {
        operand.name: given[operand.name] if operand.name in given else _random(operand, generator)
        for operand in operands[:-1]
    }


def _random(operand: Operand, generator: np.random.Generator) -> NDArray[Any]:
    """Integers over the full range of the type, floats in [-1, 1].

    An eighth are extremes. Those of integers are the ends of the type, so that sums of neighbouring products
    reach the values at which a 16-bit intermediate saturates (255 · -128 twice in a row); those of floats
    are ±1, ±0, the number next to 1, the smallest normal and the smallest subnormal number.
    """
    dtype = element_type(operand)
    if is_float(dtype):
        return _floats(operand.shape, dtype, generator)
    whole = np.iinfo(dtype)
    values = generator.integers(whole.min, whole.max, operand.shape, dtype=dtype, endpoint=True)
    choice = generator.random(operand.shape)
    values[choice < _EXTREME_SHARE] = whole.max
    values[choice < _EXTREME_SHARE / 2] = whole.min
    return values


def _floats(shape: tuple[int, ...], dtype: np.dtype[Any], generator: np.random.Generator) -> NDArray[Any]:
    known = limits(dtype)
    small = (float(known.smallest_normal), float(known.smallest_subnormal))
    extremes = np.array([1, -1, 0.0, -0.0, 1 - float(known.epsneg), *small]).astype(dtype)
    values = generator.uniform(-1.0, 1.0, shape).astype(dtype)
    chosen = generator.random(shape) < _EXTREME_SHARE
    values[chosen] = extremes[generator.integers(0, len(extremes), int(chosen.sum()))]
    return values


def element_type(operand: Operand) -> np.dtype[Any]:
    """The numpy type of an operand. Raises InputError for one that numpy cannot hold."""
    try:
        dtype = numpy_type(operand.dtype)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "iu" and not is_float(dtype):
        raise InputError(
            f"operand '{operand.name}' has element type {operand.dtype}, which numpy cannot verify"
        )
    return dtype
