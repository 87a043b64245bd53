"""Random operands that leave a wrong kernel no place to hide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_cli.backends.base import Operand
from heron_cli.errors import InputError

_EXTREME_SHARE = 1 / 8


def random_operands(operands: Sequence[Operand], seed: int) -> dict[str, NDArray[Any]]:
    """An array for every operand but the last, the output. The same seed gives the same arrays."""
    generator = np.random.default_rng(seed)
    return {operand.name: _random(operand, generator) for operand in operands[:-1]}


def _random(operand: Operand, generator: np.random.Generator) -> NDArray[Any]:
    """Integers over the full range of the type, floats in [-1, 1).

    An eighth of the integers are the extremes of the type, so that sums of neighbouring products reach
    the values at which a 16-bit intermediate saturates (255 · -128 twice in a row).
    """
    dtype = element_type(operand)
    if dtype.kind == "f":
        return generator.uniform(-1.0, 1.0, operand.shape).astype(dtype)
    limits = np.iinfo(dtype)
    values = generator.integers(limits.min, limits.max, operand.shape, dtype=dtype, endpoint=True)
    choice = generator.random(operand.shape)
    values[choice < _EXTREME_SHARE] = limits.max
    values[choice < _EXTREME_SHARE / 2] = limits.min
    return values


def element_type(operand: Operand) -> np.dtype[Any]:
    """The numpy type of an operand. Raises InputError for one that numpy cannot hold."""
    try:
        dtype = np.dtype(operand.dtype)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "iuf":
        raise InputError(
            f"operand '{operand.name}' has element type {operand.dtype}, which numpy cannot verify"
        )
    return dtype
