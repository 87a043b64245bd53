from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_cli.accelerator.loader import load
from heron_cli.accelerator.model import Accelerator
from heron_cli.backends.base import BuildError
from heron_cli.backends.registry import get
from heron_cli.errors import InputError
from heron_cli.operators import registry
from heron_cli.operators.epilogue import Fields
from heron_cli.operators.workload import Workload
from heron_cli.schedule.analysis import NotAnEinsum, analyse
from heron_cli.schedule.einsum import Access, Einsum
from heron_cli.schedule.rewrites import drop_unit_axes, fuse, fuse_all, pad_axis
from heron_cli.schedule.task import Task
from heron_cli.space import TableSampler
from heron_cli.trial import Candidate

from .interpreter import evaluate
from .workloads import arrays_of, conv, epilogues, finished, gemm, workloads


def einsum_of(workload: Workload) -> Einsum:
    operator = registry.get(workload.operator)
    constant = frozenset(name for name, spec in operator.specs(workload).items() if spec.constant)
    return analyse("w", operator.compute(workload), constant)


def steps(einsum: Einsum) -> list[str]:
    return [str(op) for op in einsum.epilogue]


EVERYTHING = "bias=1,residual=1,shift=8,low=0,high=100"


@pytest.mark.parametrize(
    ("text", "output", "expected"),
    [
        ("", "int32", []),
        ("", "int8", ["shift 8", "clip 0..127", "cast"]),
        ("", "float32", ["cast"]),
        ("shift=0,low=none,high=none", "int8", ["cast"]),
        ("bias=1,low=0", "int32", ["add bias", "clip 0.."]),
        ("residual=1,high=9", "int32", ["add residual", "clip ..9"]),
        (EVERYTHING, "int8", ["add bias", "shift 8", "add residual", "clip 0..100", "cast"]),
    ],
)
@pytest.mark.parametrize("workload", [gemm(), conv(), conv(layout="NCHW")], ids=["gemm", "NHWC", "NCHW"])
def test_steps(workload: Workload, text: str, output: str, expected: list[str]) -> None:
    einsum = einsum_of(finished(workload, text, output=output))
    assert steps(einsum) == expected
    assert (einsum.accumulate, einsum.output.dtype) == ("int32", output)
    assert einsum.output.name == "output"


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_operands(layout: str) -> None:
    einsum = einsum_of(finished(conv(layout=layout), EVERYTHING, output="int8"))
    bias, residual = einsum.finishing
    (channels,) = einsum.group("n")
    assert (bias.dtype, bias.constant, bias.names()) == ("int32", True, {channels.name})
    assert (residual.dtype, residual.constant) == ("int8", False)
    assert residual.dims == einsum.output.dims
    assert einsum.accesses == (einsum.input, einsum.weight, einsum.output, bias, residual)
    assert [axis.name for axis in einsum.spatial if einsum.moves(axis, bias)] == [channels.name]


def assert_same_meaning(workload: Workload, *einsums: Einsum) -> None:
    arrays = arrays_of(workload)
    expected = registry.get(workload.operator).reference(workload, arrays)
    for einsum in einsums:
        got = evaluate(einsum, arrays, expected.size)
        assert got.dtype == expected.dtype
        assert (got == expected.ravel()).all(), (einsum.applied, steps(einsum))


@settings(max_examples=60, deadline=None)
@given(workloads(), epilogues(), st.sampled_from([("m",), ("batch", "m", "n"), ("k",)]))
def test_meaning_is_that_of_the_operator(
    workload: Workload, epilogue: tuple[dict[str, str], Fields], groups: tuple[str, ...]
) -> None:
    types, fields = epilogue
    workload = finished(workload, fields, **types)
    einsum = einsum_of(workload)
    dropped = drop_unit_axes(einsum)
    longer = pad_axis(dropped, dropped.reduction[-1].name, 4)
    assert_same_meaning(workload, einsum, dropped, fuse_all(dropped, groups), longer)


def test_what_the_epilogue_reads_is_fused_with_the_output() -> None:
    workload = finished(conv(kernel=1, padding=0, batch=2), EVERYTHING, output="int8")
    fused = fuse_all(drop_unit_axes(einsum_of(workload)), ("m", "n"))
    assert [axis.extent for axis in fused.axes] == [2 * 6 * 7, 5, 4]
    _, residual = fused.finishing
    assert residual.dims == fused.output.dims
    assert_same_meaning(workload, fused)


def test_what_the_epilogue_reads_can_forbid_to_fuse() -> None:
    """A residual whose rows lie apart: rows and columns of the output are no longer one axis."""
    einsum = einsum_of(finished(conv(kernel=1, padding=0), EVERYTHING, output="int8"))
    assert fuse(einsum, "h", "w") is not None

    def apart(access: Access) -> Access:
        if access.name != "residual":
            return access
        batch, rows, *rest = access.dims
        return replace(access, dims=(batch, replace(rows, stride=rows.stride + 1), *rest))

    assert fuse(einsum.exchanged(apart), "h", "w") is None


def problem(finish: Callable[..., Any], shape: tuple[int, int] = (4, 6)) -> list[Any]:
    """Sums of (4, 6) and what `finish(sums, residual, i, j)` makes of each."""
    from tvm import te

    a = te.placeholder((4, 8), "int8", name="input")
    b = te.placeholder((6, 8), "int8", name="weight")
    residual = te.placeholder((4, 6), "int32", name="residual")
    r = te.reduce_axis((0, 8), "r")
    sums = te.compute(
        (4, 6),
        lambda i, j: te.sum(a[i, r].astype("int32") * b[j, r].astype("int32"), axis=r),
        name="sums",
    )
    output = te.compute(shape, lambda i, j: finish(sums, residual, i, j), name="finish")
    return [a, b, residual, output]


def test_one_stage_may_do_everything() -> None:
    from tvm import tirx

    def finish(sums: Any, residual: Any, i: Any, j: Any) -> Any:
        return tirx.min(100, tirx.max(residual[i, j] + (sums[i, j] >> 4), 0)).astype("int8")

    einsum = analyse("w", problem(finish), frozenset())
    assert steps(einsum) == ["shift 4", "add residual", "clip 0..100", "cast"]
    assert einsum.output.dtype == "int8"


def test_bounds_that_cross_stay_in_their_order() -> None:
    from tvm import te, tirx

    *inputs, low = problem(lambda s, r, i, j: tirx.min(s[i, j], 3))
    for bound, expected in ((5, ["clip ..3", "clip 5.."]), (3, ["clip 3..3"]), (-3, ["clip -3..3"])):
        output = te.compute((4, 6), lambda i, j: tirx.max(low[i, j], bound), name="output")  # noqa: B023
        assert steps(analyse("w", [*inputs, output], frozenset())) == expected


def test_an_output_without_the_sum_is_refused() -> None:
    from tvm import tirx

    with pytest.raises(NotAnEinsum, match="stage finish is last, but not made of the sum"):
        analyse("w", problem(lambda s, r, i, j: tirx.max(tirx.min(s[i, j], 3), 5)), frozenset())


def test_an_output_may_lie_in_another_order() -> None:
    """Rows of the output are columns of the sum; the residual goes with the output."""
    einsum = analyse("w", problem(lambda s, r, i, j: s[j, i] + r[j, i], (6, 4)), frozenset())
    (residual,) = einsum.finishing
    assert [dim.terms for dim in einsum.output.dims] == [(("j", 1),), (("i", 1),)]
    assert [dim.terms for dim in residual.dims] == [(("i", 1),), (("j", 1),)]
    rng = np.random.default_rng(0)
    arrays = {
        "input": rng.integers(-9, 9, (4, 8)), "weight": rng.integers(-9, 9, (6, 8)),
        "residual": rng.integers(-9, 9, (4, 6)),
    }  # fmt: skip
    expected = (arrays["input"] @ arrays["weight"].T + arrays["residual"]).T
    assert (evaluate(einsum, arrays, 24) == expected.ravel()).all()


STAGE = "stage finish after the sum "


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        (lambda s, r, i, j: s[i, j] * r[i, j], STAGE + "is a Mul; known are add, right shift, min and max"),
        (lambda s, r, i, j: s[i, j] * 3, STAGE + "is a Mul; known are"),
        (lambda s, r, i, j: s[i, j] - r[i, j], STAGE + "is a Sub; known are"),
        (lambda s, r, i, j: s[i, j] << 3, STAGE + "is a LShift; known are"),
        (lambda s, r, i, j: s[i, j] + (s[i, j] >> 1), STAGE + "reads the sum twice"),
        (lambda s, r, i, j: s[i, j] + 3, STAGE + "adds something else than an operand"),
        (lambda s, r, i, j: s[i, j] >> r[i, j], STAGE + "has residual[v_i, v_j] where a whole number is due"),
        (lambda s, r, i, j: r[i, j] >> s[i, j], STAGE + "shifts by the sum"),
        (lambda s, r, i, j: s[i, j * j % 6], STAGE + "does not visit every element of the sum once"),
        (lambda s, r, i, j: s[i, j // 2], STAGE + "does not visit every element of the sum once"),
        (lambda s, r, i, j: s[i, i], STAGE + "does not visit every element of the sum once"),
        (lambda s, r, i, j: s[i, 0], STAGE + "does not read the sum element by element"),
        (lambda s, r, i, j: (s[i, j] + r[i, j * j % 6]), "is not affine"),
        (lambda s, r, i, j: s[i, j].astype("int8") >> 3, "computes on after a cast (cast, shift 3)"),
    ],
)  # fmt: skip
def test_other_stages_are_refused_with_the_reason(finish: Callable[..., Any], reason: str) -> None:
    with pytest.raises(NotAnEinsum) as caught:
        analyse("w", problem(finish), frozenset())
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("finish", "shape", "index"),
    [
        (lambda s, r, i, j: s[i, j], (4, 5), np.s_[:, :5]),
        (lambda s, r, i, j: s[i + 1, j], (3, 6), np.s_[1:, :]),
        (lambda s, r, i, j: s[i, 5 - j], (4, 6), np.s_[:, ::-1]),
    ],
)
def test_an_output_may_be_a_part_of_the_sums_or_reversed(
    finish: Callable[..., Any], shape: tuple[int, int], index: Any
) -> None:
    einsum = analyse("w", problem(finish, shape), frozenset())
    rng = np.random.default_rng(0)
    arrays = {"input": rng.integers(-9, 9, (4, 8)), "weight": rng.integers(-9, 9, (6, 8))}
    expected = (arrays["input"] @ arrays["weight"].T)[index]
    assert (evaluate(einsum, arrays, expected.size) == expected.ravel()).all()


def test_a_sum_that_two_stages_read_is_refused() -> None:
    from tvm import te

    *inputs, half = problem(lambda s, r, i, j: s[i, j] >> 1)
    sums = next(tensor for tensor in half.op.input_tensors if tensor.op.name == "sums")
    output = te.compute((4, 6), lambda i, j: half[i, j] + sums[i, j], name="both")
    with pytest.raises(NotAnEinsum, match="stage both after the sum reads the sum twice"):
        analyse("w", [*inputs, output], frozenset())


def test_an_accelerator_without_a_place_for_it_says_so_in_one_line(dlboost: Accelerator) -> None:
    with pytest.raises(InputError) as caught:
        _ = Task(finished(gemm(), EVERYTHING, output="int8"), dlboost).variants
    assert str(caught.value) == (
        "dlboost cannot run gemm-m=6,n=32,k=8: dlboost computes int32 outputs; the asked epilogue "
        "(add bias, shift 8, add residual, clip 0..100, cast to int8) is not generated for it"
    )
    with pytest.raises(InputError, match=re.escape("the asked epilogue (cast to float32) is not")):
        _ = Task(gemm(output="float32"), dlboost).variants
    assert Task(gemm(), dlboost).variants[0].template.log[2].reason == "sums are written as they are"


def accelerator(tmp_path: Path, holds: str) -> Accelerator:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "schema: heron/accelerator/1\nname: mine\nextends: dlboost\n"
        f"memories: [{{name: register, holds: [accumulate, {holds}]}}]\n"
    )
    return load(str(path))


def test_every_operand_needs_a_memory(tmp_path: Path) -> None:
    machine = accelerator(tmp_path, "bias")
    assert Task(finished(gemm(), "bias=1"), machine).variants
    with pytest.raises(InputError, match="no memory of mine holds residual, which the asked epilogue "):
        _ = Task(finished(gemm(), "residual=1"), machine).variants


def test_a_back_end_that_writes_sums_only_refuses_to_build(tmp_path: Path) -> None:
    """Whatever the YAML says: no kernel without the epilogue is ever built in its place."""
    task = Task(finished(gemm(), "bias=1"), accelerator(tmp_path, "bias"))
    variant = task.variants[0]
    (row,) = TableSampler(variant.space).sample(1, np.random.default_rng(0))
    candidate = Candidate.of(variant.name, variant.space.values(row))
    with pytest.raises(BuildError, match=r"writes sums as they are, without an epilogue \(add bias\)"):
        get("x86").build(task, candidate, threads=1)


@pytest.mark.parametrize(("m", "text", "times"), [(6, "residual=1", 2), (1, "bias=1", 2), (1, EVERYTHING, 3)])
def test_what_is_added_counts_in_the_memory_of_the_sums(m: int, text: str, times: int) -> None:
    machine = load("vta")
    base = gemm(m, 64, 64, input="int8")
    plain = Task(finished(base, "", output="int8"), machine).variants[0]
    added = Task(finished(base, text, output="int8"), machine).variants[0]
    rows = TableSampler(added.space).sample(8, np.random.default_rng(0))
    assert plain.space.names == added.space.names
    used = [variant.evaluator.columns(rows)["bytes.accumulator"] for variant in (plain, added)]
    assert (used[1] == times * used[0]).all()
