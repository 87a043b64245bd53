from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from measure_fakes import Exactly
from numpy.typing import NDArray

from heron_cli.backends.base import Operand
from heron_cli.elements import numpy_type
from heron_cli.errors import HeronError
from heron_cli.measure.verify import References, Verifier, compare
from heron_cli.operators.expected import Expected, Reference
from heron_cli.operators.workload import make

OPERANDS = (Operand("input", (2, 3), "uint8"), Operand("output", (2, 3), "int32"))


def double() -> Exactly:
    return Exactly(lambda arrays: arrays["input"].astype(np.int32) * 2)


@given(st.integers(0, 59), st.integers(1, 5))
def test_one_wrong_integer_is_found_and_named(position: int, by: int) -> None:
    expected = np.arange(60, dtype=np.int32).reshape(3, 4, 5)
    output = expected.copy()
    output.flat[position] += by
    i, j, k = np.unravel_index(position, (3, 4, 5))
    assert compare(output, Expected(expected)) == (
        f"1 of 60 elements are wrong, the first at [{i}, {j}, {k}]: {position + by} instead of {position}"
    )


def test_equal_is_fine() -> None:
    expected = np.arange(60, dtype=np.int32)
    assert compare(expected.copy(), Expected(expected)) == ""


def test_wrong_elements_are_counted_over_all_chunks() -> None:
    expected = np.zeros(3 << 20, np.uint8)
    output = expected.copy()
    output[[(1 << 20) + 5, (2 << 20) + 7]] = 1
    assert compare(output, Expected(expected)) == (
        f"2 of {3 << 20} elements are wrong, the first at [{(1 << 20) + 5}]: 1 instead of 0"
    )


def test_floats_may_differ_by_their_bound() -> None:
    expected = Expected(np.array([1.0, 2.0]), np.array([0.1, 0.0], np.float32))
    assert compare(np.array([1.05, 2.0], np.float32), expected) == ""
    assert compare(np.array([1.05, 2.5], np.float32), expected) == (
        "1 of 2 elements are wrong, the first at [1]: 2.5 instead of 2.0 (± 0)"
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_float_that_is_not_a_number_is_wrong(dtype: str) -> None:
    output = np.ones(4).astype(numpy_type(dtype))
    output[2] = np.nan
    assert "the first at [2]: nan" in compare(output, Expected(np.ones(4), np.ones(4, np.float32)))


def test_reference_is_computed_once_per_signature_and_read_back(tmp_path: Path) -> None:
    reference = double()
    references = References(reference, tmp_path)
    files = references.get(OPERANDS)
    again = references.get([Operand("input", (2, 3), "uint8", packed_bytes=6), OPERANDS[1]])
    assert again == files
    assert reference.calls == 1
    (values,), expected = files.load()
    assert (expected.values == values.astype(np.int32) * 2).all() and expected.bound is None
    assert not expected.values.flags.writeable
    assert references.get((Operand("input", (4, 3), "uint8"), Operand("output", (4, 3), "int32"))) != files
    assert reference.calls == 2


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_survives_the_files(dtype: str, tmp_path: Path) -> None:
    types = {"input": dtype, "weight": dtype, "accumulate": "float32", "output": dtype}
    reference = Reference(make("gemm", {"m": 2, "n": 3, "k": 5}, dtypes=types))
    operands = [
        Operand("input", (2, 5), dtype),
        Operand("weight", (3, 5), dtype),
        Operand("o", (2, 3), dtype),
    ]
    (a, b), expected = References(reference, tmp_path).get(operands).load()
    assert a.dtype == b.dtype == numpy_type(dtype)
    again = reference({"input": a, "weight": b})
    assert (expected.values == again.values).all() and (expected.bound == again.bound).all()
    assert compare(expected.values.astype(a.dtype), expected) == ""


def test_prescribed_operands_are_not_random(tmp_path: Path) -> None:
    given = {"input": np.full((2, 3), 7, np.uint8)}
    reference = Exactly(lambda arrays: arrays["input"].astype(np.int32), given)
    (values,), _ = References(reference, tmp_path).get(OPERANDS).load()
    assert (values == 7).all()


def test_seeds_give_different_operands_and_keys(tmp_path: Path) -> None:
    one = References(double(), tmp_path, 1).get(OPERANDS)
    two = References(double(), tmp_path, 2).get(OPERANDS)
    assert one.key != two.key
    assert (one.load()[0][0] != two.load()[0][0]).any()


def test_a_reference_of_another_shape_or_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeronError, match=r"reference gives int32 \(2, 3\), but kernels write int32 \(3, 2\)"):
        References(double(), tmp_path).get((OPERANDS[0], Operand("output", (3, 2), "int32")))
    with pytest.raises(HeronError, match="reference gives int32"):
        References(double(), tmp_path).get((OPERANDS[0], Operand("output", (2, 3), "int8")))


def test_no_room_for_the_reference_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(HeronError, match=r"cannot write the reference to .*: No such file or directory"):
        References(double(), tmp_path / "gone").get(OPERANDS)


@given(hnp.arrays(np.float16, (3, 5), elements=st.floats(-1, 1, width=16)), st.integers(0, 14), st.booleans())
def test_a_verifier_says_what_compare_says_time_after_time(
    values: NDArray[Any], place: int, first_right: bool
) -> None:
    expected = Expected(values.astype(np.float32), np.full(values.shape, 1e-2, np.float32))
    off = values.copy()
    off.reshape(-1)[place] += 1
    near = (values.astype(np.float32) + 5e-3).astype(np.float16)
    verifier = Verifier(expected)
    for output in [values, values, off, near, off, values] if first_right else [off, values, near, off]:
        assert verifier.wrong(output.copy()) == compare(output, expected)
