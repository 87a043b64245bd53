from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from heron_cli.accelerator.model import Accelerator
from heron_cli.errors import InputError
from heron_cli.operators import registry
from heron_cli.operators.workload import Workload
from heron_cli.schedule.analysis import NotAnEinsum, analyse
from heron_cli.schedule.einsum import Einsum
from heron_cli.schedule.task import Task

from .interpreter import evaluate
from .workloads import arrays_of, conv, gemm, workloads


def einsum_of(workload: Workload) -> Einsum:
    return analyse("w", registry.get(workload.operator).compute(workload), frozenset({"weight"}))


def groups(einsum: Einsum) -> dict[str, tuple[int, ...]]:
    return {group: tuple(a.extent for a in einsum.group(group)) for group in ("batch", "m", "n", "k")}  # type: ignore[arg-type]


def test_groups_of_gemm() -> None:
    einsum = einsum_of(gemm(3, 5, 7))
    assert groups(einsum) == {"batch": (), "m": (3,), "n": (5,), "k": (7,)}
    assert (einsum.input.dtype, einsum.weight.dtype, einsum.accumulate) == ("uint8", "int8", "int32")
    assert einsum.weight.constant and not einsum.input.constant
    assert not einsum.outside() and not any(einsum.window(axis.name) for axis in einsum.reduction)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_groups_of_conv2d(layout: str) -> None:
    einsum = einsum_of(conv(batch=2, stride=[1, 2], dilation=[2, 1], padding=[2, 1], layout=layout))
    assert groups(einsum) == {"batch": (), "m": (2, 6, 4), "n": (5,), "k": (3, 3, 4)}
    windows = [axis.name for axis in einsum.reduction if einsum.window(axis.name)]
    channels = [axis.name for axis in einsum.reduction if not einsum.window(axis.name)]
    assert [einsum.extents[name] for name in windows] == [3, 3]
    assert [einsum.extents[name] for name in channels] == [4]
    assert len(einsum.outside()) == 2  # height and width leave the data
    rows, columns = (einsum.window(name) for name in windows)
    assert rows is not None and columns is not None
    assert (sorted(c for _, c in rows.terms), rows.coefficient("kh")) == ([1, 2], 2)
    assert (sorted(c for _, c in columns.terms), columns.coefficient("kw")) == ([1, 2], 1)
    assert [(dim.offset, dim.extent) for dim in (rows, columns)] == [(-2, 6), (-1, 7)]
    assert "inline pad" in einsum.applied


def test_padding_that_nothing_reads_is_not_outside() -> None:
    """Stride 2 over 5 + 2 · 1 rows with a 2-row window reads the front padding, and not the back one."""
    einsum = einsum_of(conv(height=5, width=5, kernel=[2, 1], stride=2, padding=[1, 0]))
    (rows,) = (einsum.input.dims[i] for i in einsum.outside())
    low, high = rows.span(einsum.extents)
    assert low == -1 and high < 5


@settings(max_examples=40, deadline=None)
@given(workloads())
def test_meaning_is_that_of_the_operator(workload: Workload) -> None:
    arrays = arrays_of(workload)
    expected = registry.get(workload.operator).reference(workload, arrays)
    assert (evaluate(einsum_of(workload), arrays, expected.size) == expected.ravel()).all()


def te_problem(body: Callable[..., Any], **changes: Any) -> list[Any]:
    """input (4, 8) and weight (6, 8) reduced over 8 by `body(input, weight, i, j, r)`."""
    from tvm import te

    a = te.placeholder((4, 8), "int32", name=changes.get("input", "input"))
    b = te.placeholder((6, 8), "int32", name="weight")
    r = te.reduce_axis((0, changes.get("length", 8)), "r")
    c = te.compute((4, 6), lambda i, j: body(a, b, i, j, r), name="output")
    return [a, b, c]


def _max(a: Any, b: Any, i: Any, j: Any, r: Any) -> Any:
    from tvm import te

    return te.max(a[i, r] * b[j, r], axis=r)


def _sum(of: Callable[..., Any]) -> Callable[..., Any]:
    def body(a: Any, b: Any, i: Any, j: Any, r: Any) -> Any:
        from tvm import te

        return te.sum(of(a, b, i, j, r), axis=r)

    return body


NO_PRODUCT = "its summand is not a product of two loads"


@pytest.mark.parametrize(
    ("body", "changes", "reason"),
    [
        (_max, {}, "its update is not a sum"),
        (_sum(lambda a, b, i, j, r: a[i, r] + b[j, r]), {}, NO_PRODUCT),
        (_sum(lambda a, b, i, j, r: a[i, r]), {}, NO_PRODUCT),
        (_sum(lambda a, b, i, j, r: a[i, r] * b[j, r] * a[i, 0]), {}, NO_PRODUCT),
        (_sum(lambda a, b, i, j, r: a[i, r] * 3), {}, NO_PRODUCT),
        (_sum(lambda a, b, i, j, r: a[i, r * r % 8] * b[j, r]), {}, "is not affine"),
        (_sum(lambda a, b, i, j, r: a[i, r // 2] * b[j, r]), {}, "is not affine"),
        (_sum(lambda a, b, i, j, r: a[i, r] * a[i, r]), {}, "its factors are input; input and"),
        (_sum(lambda a, b, i, j, r: a[i, r] * b[j, r]), {"input": "x"}, "its factors are weight, x; input"),
        (_sum(lambda a, b, i, j, r: a[i, 0] * b[j, 0]), {}, "axis r moves (output, input, weight) = "),
        (lambda a, b, i, j, r: a[i, 0] * b[j, 0], {}, "it has 0 reductions; one is expected"),
    ],
    ids=["max", "sum", "one", "three", "constant", "square", "halved", "same", "named", "idle", "none"],
)  # fmt: skip
def test_other_loop_nests_are_refused_with_the_reason(
    body: Callable[..., Any], changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(NotAnEinsum) as caught:
        analyse("w", te_problem(body, **changes), frozenset())
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def padded(value: Callable[..., Any]) -> list[Any]:
    """A product whose input comes from a stage `value(tensor, i, k)` with one more column on both sides."""
    from tvm import te

    a = te.placeholder((4, 6), "int32", name="input")
    b = te.placeholder((6, 8), "int32", name="weight")
    p = te.compute((4, 8), lambda i, k: value(a, i, k), name="pad")
    r = te.reduce_axis((0, 8), "r")
    c = te.compute((4, 6), lambda i, j: te.sum(p[i, r] * b[j, r], axis=r), name="output")
    return [a, b, c]


def _guarded(low: int, high: int, other: int = 0, scale: int = 1) -> Callable[..., Any]:
    def value(a: Any, i: Any, k: Any) -> Any:
        from tvm import tirx

        inside = tirx.all(k >= low, k < high)
        return tirx.if_then_else(
            inside, a[i, k - 1] * scale if scale != 1 else a[i, k - 1], tirx.const(other, "int32")
        )

    return value  # fmt: skip


def test_a_padding_stage_becomes_an_offset() -> None:
    einsum = analyse("w", padded(_guarded(1, 7)), frozenset())
    columns = einsum.input.dims[1]
    assert (columns.offset, columns.extent) == (-1, 6)
    assert einsum.outside() == (1,)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (_guarded(1, 7, other=5), "stage pad is not zero outside its input"),
        (_guarded(2, 7), "stage pad guards something else than the data's range"),
        (_guarded(1, 6), "stage pad guards something else than the data's range"),
        (_guarded(1, 7, scale=2), "stage pad computes; only shifting and padding can be inlined"),
        (lambda a, i, k: a[i, (k + 1) % 6], "is not affine"),
    ],
)
def test_other_stages_are_refused(value: Callable[..., Any], reason: str) -> None:
    with pytest.raises(NotAnEinsum) as caught:
        analyse("w", padded(value), frozenset())
    assert reason in str(caught.value)


def test_types_that_no_intrinsic_takes_are_told_with_those_it_has(dlboost: Accelerator) -> None:
    half = {"input": "float16", "weight": "float16", "accumulate": "float32", "output": "float32"}
    for workload in (gemm(**half), gemm(input="int8"), gemm(weight="uint8")):
        with pytest.raises(InputError) as caught:
            _ = Task(workload, dlboost).variants
        types = workload.dtypes
        asked = f"{types.input} × {types.weight} → {types.accumulate}"
        assert f"dlboost has no intrinsic for {asked} (it has vpdpbusd: uint8 × int8 → int32)" in str(
            caught.value
        )
        assert "\n" not in str(caught.value)
