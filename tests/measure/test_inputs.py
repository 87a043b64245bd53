from __future__ import annotations

import numpy as np
import pytest

from heron_cli.backends.base import Operand
from heron_cli.elements import numpy_type, smallest
from heron_cli.errors import InputError
from heron_cli.measure.inputs import random_operands

OUTPUT = Operand("output", (1,), "int32")


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32"])
def test_integers_cover_the_whole_range_with_both_extremes(dtype: str) -> None:
    values = random_operands([Operand("input", (64, 64), dtype), OUTPUT], 0)["input"]
    limits = np.iinfo(dtype)
    assert values.dtype == dtype
    assert (values == limits.min).sum() > 100
    assert (values == limits.max).sum() > 100
    if limits.bits == 8:
        assert set(values.ravel().tolist()) == set(range(limits.min, limits.max + 1))


def test_extremes_meet_often_enough_to_saturate_sixteen_bits() -> None:
    """A kernel by vpmaddubsw (255 * -128 twice saturates) has to be wrong somewhere in a small gemm."""
    operands = [Operand("input", (16, 64), "uint8"), Operand("weight", (16, 64), "int8"), OUTPUT]
    arrays = random_operands(operands, 0)
    a, b = (arrays[name].astype(np.int64) for name in ("input", "weight"))
    pairs = (a[:, None, :] * b[None, :, :]).reshape(16, 16, 32, 2).sum(-1)
    assert (np.abs(pairs) > 32768).any(axis=-1).mean() > 0.9


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_floats_are_bounded_with_their_extremes(dtype: str) -> None:
    values = random_operands([Operand("input", (4000,), dtype), OUTPUT], 0)["input"]
    assert values.dtype == numpy_type(dtype)
    sizes = np.abs(values.astype(np.float64))
    assert (sizes <= 1).all() and len(np.unique(sizes)) > 100
    assert {1.0, 0.0, smallest(dtype)} <= set(sizes.tolist())
    assert np.signbit(values.astype(np.float64)[sizes == 0]).any()


def test_prescribed_operands_are_taken_as_they_are() -> None:
    given = np.arange(6, dtype=np.int8)
    operands = [Operand("input", (6,), "int8"), Operand("weight", (6,), "int8"), OUTPUT]
    arrays = random_operands(operands, 0, {"weight": given})
    assert arrays["weight"] is given and (arrays["input"] != given).any()


def test_the_seed_decides() -> None:
    operands = [Operand("input", (100,), "uint8"), OUTPUT]
    assert (random_operands(operands, 3)["input"] == random_operands(operands, 3)["input"]).all()
    assert (random_operands(operands, 3)["input"] != random_operands(operands, 4)["input"]).any()


def test_a_type_that_numpy_lacks_is_named() -> None:
    with pytest.raises(InputError, match="operand 'input' has element type float8"):
        random_operands([Operand("input", (1,), "float8"), OUTPUT], 0)
