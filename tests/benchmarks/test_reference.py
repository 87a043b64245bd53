from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.cases import CASES, GEMM, Case
from benchmarks.onednn import problem, random_arrays
from benchmarks.reference import reference

SPACE = ("depth", "height", "width")


def shapes(rank: int) -> st.SearchStrategy[dict[str, Any]]:
    axes = SPACE[3 - rank :]
    per_axis = st.lists(st.integers(1, 3), min_size=rank, max_size=rank)
    sides = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=rank, max_size=rank)
    return st.fixed_dictionaries(
        {
            **{axis: st.integers(7, 8) for axis in axes},
            "batch": st.integers(1, 2),
            "groups": st.integers(1, 2),
            "in_channels": st.sampled_from([2, 8]),
            "out_channels": st.sampled_from([2, 4, 8]),
            "kernel": per_axis,
            "stride": per_axis,
            "dilation": per_axis,
            "padding": sides,
            "layout": st.sampled_from(["NHWC", "NCHW"]),
        }
    )


def brute_force(shape: dict[str, Any], arrays: dict[str, np.ndarray], transposed: bool) -> np.ndarray:
    """Loops over every output (or, transposed, every input) point and every tap."""
    axes = [axis for axis in SPACE if axis in shape]
    first = shape["layout"] == "NCHW"
    data = arrays["input"].astype(np.int64)
    data = data if first else np.moveaxis(data, -1, 1)
    weight = arrays["weight"].astype(np.int64)
    groups, outputs = shape["groups"], shape["out_channels"]
    reach = [d * (k - 1) + 1 for k, d in zip(shape["kernel"], shape["dilation"], strict=True)]
    sizes = [
        (shape[a] - 1) * s + r - sum(p) if transposed else (shape[a] + sum(p) - r) // s + 1
        for a, r, s, p in zip(axes, reach, shape["stride"], shape["padding"], strict=True)
    ]
    result = np.zeros((shape["batch"], outputs, *sizes), dtype=np.int64)
    small, large = (data, result) if transposed else (result, data)
    per_group = (shape["in_channels"] // groups, outputs // groups)
    for point in itertools.product(*map(range, small.shape[2:])):
        for tap in itertools.product(*map(range, shape["kernel"])):
            other = tuple(
                i * s + t * d - p[0]
                for i, s, t, d, p in zip(
                    point, shape["stride"], tap, shape["dilation"], shape["padding"], strict=True
                )
            )
            if any(o < 0 or o >= extent for o, extent in zip(other, large.shape[2:], strict=True)):
                continue
            into, source = (other, point) if transposed else (point, other)
            for o in range(outputs):
                start = o // per_group[1] * per_group[0]
                channels = data[(slice(None), slice(start, start + per_group[0]), *source)]
                place = (
                    (slice(start, start + per_group[0]), o % per_group[1]) if transposed else (o, slice(None))
                )
                result[(slice(None), o, *into)] += channels @ weight[(*place, *tap)]
    return result if first else np.moveaxis(result, 1, -1)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("rank", [1, 2])
@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_convolutions_equal_plain_loops(rank: int, transposed: bool, data: st.DataObject) -> None:
    shape = data.draw(shapes(rank))
    if rank == 1:
        shape["layout"] = {"NHWC": "NWC", "NCHW": "NCW"}[shape["layout"]]
    case = Case("x", f"conv{rank}d" + "_transpose" * transposed, shape, GEMM)
    arrays = random_arrays(case)
    shape["layout"] = "NCHW" if shape["layout"] in ("NCHW", "NCW") else "NHWC"
    expected = brute_force(shape, arrays, transposed)
    described = problem(case)
    assert described.output.shape == expected.shape
    np.testing.assert_array_equal(reference(described, arrays), expected)


def test_products_of_matrices_and_of_batches() -> None:
    for operator, shape in (
        ("gemm", {"m": 3, "n": 5, "k": 7}),
        ("gemv", {"m": 5, "k": 7}),
        ("scan", {"m": 3, "n": 5, "k": 7}),
        ("bmm", {"batch": 2, "m": 3, "n": 5, "k": 7}),
        ("bmm", {"batch": 2, "m": 3, "n": 5, "k": 7, "layout": "NT"}),
    ):
        case = Case("x", operator, shape, GEMM)
        arrays = random_arrays(case)
        plain = operator == "scan" or (operator == "bmm" and "layout" not in shape)
        terms = "...mk,...kn->...mn" if plain else "...mk,...nk->...mn"
        expected = np.einsum(terms, *(a.astype(np.int64) for a in arrays.values()))
        np.testing.assert_array_equal(reference(problem(case), arrays), expected)


def test_operations_are_twice_the_products() -> None:
    by_name = {case.name: problem(case).operations for case in CASES}
    assert by_name["gemm 17×1000×2048"] == 2 * 17 * 1000 * 2048
    assert by_name["conv 224²·3→64 7×7 s2"] == 2 * 112 * 112 * 64 * 3 * 49
    assert problem(CASES[-1]).output.shape == (1, 112, 112, 64)


def test_inputs_use_the_full_range_and_lie_on_cache_lines() -> None:
    arrays = random_arrays(CASES[1])
    assert (arrays["input"].min(), arrays["input"].max()) == (0, 255)
    assert (arrays["weight"].min(), arrays["weight"].max()) == (-128, 127)
    assert all(array.ctypes.data % 64 == 0 for array in arrays.values())
    assert math.prod(arrays["input"].shape) == 512 * 512


def test_what_onednn_has_no_primitive_for() -> None:
    with pytest.raises(ValueError, match="softmax"):
        problem(Case("x", "softmax", {"m": 1}, GEMM))
