from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from heron_cli.backends.base import Operand
from heron_cli.errors import HeronError
from heron_cli.measure.verify import References, compare

OPERANDS = (Operand("input", (2, 3), "uint8"), Operand("output", (2, 3), "int32"))


def double(arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    return arrays["input"].astype(np.int32) * 2


@given(st.integers(0, 59), st.integers(1, 5))
def test_one_wrong_integer_is_found_and_named(position: int, by: int) -> None:
    expected = np.arange(60, dtype=np.int32).reshape(3, 4, 5)
    output = expected.copy()
    output.flat[position] += by
    i, j, k = np.unravel_index(position, (3, 4, 5))
    assert compare(output, expected) == (
        f"1 of 60 elements are wrong, the first at [{i}, {j}, {k}]: {position + by} instead of {position}"
    )


def test_equal_is_fine() -> None:
    expected = np.arange(60, dtype=np.int32)
    assert compare(expected.copy(), expected) == ""


def test_floats_may_differ_by_rounding_but_not_by_a_term() -> None:
    generator = np.random.default_rng(0)
    a, b = (generator.uniform(-1, 1, (64, 512)).astype(np.float32) for _ in range(2))
    expected = a.astype(np.float64) @ b.astype(np.float64).T
    output = np.zeros((64, 64), np.float32)
    for k in range(512):  # another order of summation
        output += np.outer(a[:, -k], b[:, -k])
    assert compare(output, expected) == ""
    lacking = output - np.outer(a[:, 0], b[:, 0]).astype(np.float32)
    assert "elements are wrong" in compare(lacking, expected)


def test_a_float_that_is_not_a_number_is_wrong() -> None:
    expected = np.ones(4, np.float32)
    output = expected.copy()
    output[2] = np.nan
    assert "the first at [2]: nan" in compare(output, expected)


def test_reference_is_computed_once_per_signature_and_read_back(tmp_path: Path) -> None:
    calls: list[int] = []

    def counted(arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        calls.append(1)
        return double(arrays)

    references = References(counted, tmp_path)
    files = references.get(OPERANDS)
    again = references.get([Operand("input", (2, 3), "uint8", packed_bytes=6), OPERANDS[1]])
    assert again == files
    assert len(calls) == 1
    values, expected = files.load()
    assert (expected == values.astype(np.int32) * 2).all()
    assert not expected.flags.writeable
    assert references.get((Operand("input", (4, 3), "uint8"), Operand("output", (4, 3), "int32"))) != files
    assert len(calls) == 2


def test_seeds_give_different_operands_and_keys(tmp_path: Path) -> None:
    one = References(double, tmp_path, 1).get(OPERANDS)
    two = References(double, tmp_path, 2).get(OPERANDS)
    assert one.key != two.key
    assert (one.load()[0] != two.load()[0]).any()


def test_a_reference_of_another_shape_or_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeronError, match=r"reference gives int32 \(2, 3\), but kernels write int32 \(3, 2\)"):
        References(double, tmp_path).get((OPERANDS[0], Operand("output", (3, 2), "int32")))
    with pytest.raises(HeronError, match="reference gives int32"):
        References(double, tmp_path).get((OPERANDS[0], Operand("output", (2, 3), "int8")))


def test_no_room_for_the_reference_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(HeronError, match=r"cannot write the reference to .*: No such file or directory"):
        References(double, tmp_path / "gone").get(OPERANDS)
