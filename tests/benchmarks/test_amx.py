from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.amx import page
from benchmarks.amx.__main__ import Study, options_of
from benchmarks.amx.matrices import MATRICES, Matrix
from benchmarks.dlboost_operators import measuring, results, tuning
from benchmarks.dlboost_operators.cases import Case, cases, find, floats, workload_of, workloads
from benchmarks.dlboost_operators.limits import Level, moved_bytes, real_products
from benchmarks.dlboost_operators.measuring import Work
from benchmarks.dlboost_operators.results import Results
from benchmarks.onednn import BFLOAT16, UNRESTRICTED, problem, random_arrays
from benchmarks.onednn.library import c_problem
from benchmarks.peak import TILE_OPERATIONS
from benchmarks.reference import reference
from heron_cli.accelerator.loader import load
from heron_cli.operators import registry
from heron_cli.operators.workload import make
from heron_cli.records import Store
from heron_cli.schedule.task import Task

FAMILIES = {"gemm": 2, "bmm": 2, "conv2d": 2} | dict.fromkeys(
    ("gemv", "scan", "conv1d", "conv3d", "conv2d_transpose", "dilated conv2d"), 1
)


def test_every_family_is_there() -> None:
    found = [case.family for case in MATRICES[0].cases]
    assert {family: found.count(family) for family in found} == FAMILIES


@pytest.mark.parametrize("matrix", MATRICES, ids=lambda each: each.target)
def test_both_targets_take_the_workloads_and_have_the_instruction(matrix: Matrix) -> None:
    intrinsic = load(matrix.target).intrinsics[0]
    assert intrinsic.name == matrix.instruction
    assert TILE_OPERATIONS[matrix.instruction] == 2 * math.prod(intrinsic.shapes[0].values())
    for case in matrix.cases:
        for target in (matrix.target, matrix.beside):
            assert Task(workload_of(case), load(target), 1).variants


def test_workloads_are_those_of_the_files() -> None:
    keys = {each.name: each.key for each in workloads("heron-operators-dlboost")}
    assert {case.name: workload_of(case).key for case in cases() if case.name in keys} == keys
    assert [find(case.name) for case in floats()] == list(floats())


@pytest.mark.parametrize(
    ("operator", "shape"),
    [
        ("gemm", {"m": 3, "n": 5, "k": 7}),
        ("conv2d", {"height": 6, "width": 5, "in_channels": 4, "out_channels": 6, "kernel": 3, "padding": 1}),
    ],
)
def test_bfloat16_has_the_result_that_heron_defines(operator: str, shape: dict[str, object]) -> None:
    types = {**asdict(BFLOAT16), "accumulate": "float32"}
    workload = make(operator, shape, dtypes=types)
    case = Case("x", operator, dict(workload.shape), "gemm", types=BFLOAT16)
    assert workload_of(case).key == workload.key
    arrays, described = random_arrays(case), problem(case)
    assert arrays["input"].dtype.name == "bfloat16"
    specs = registry.get(operator).specs(workload)
    mine = {name: arrays[name].reshape(specs[name].shape) for name in ("input", "weight")}
    expected = registry.get(operator).reference(workload, mine)
    found = reference(described, arrays)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)
    assert c_problem(described, (0, 0, 0)).bfloat16 == 1
    plain = problem(replace(case, types=find("GEMM-G1").types))
    assert c_problem(plain, (0, 0, 0)).bfloat16 == 0
    bytes_of = [moved_bytes(each) for each in (described, plain)]
    assert bytes_of[0]["input"] == 2 * bytes_of[1]["input"]
    assert bytes_of[0]["output"] == bytes_of[1]["output"]


def test_sums_of_floats_are_exact_in_any_order() -> None:
    for case in MATRICES[1].cases:
        described = problem(case)
        longest = real_products(described, described.operations) // math.prod(described.output.shape)
        largest = max(abs(float(x)) for x in random_arrays(case)["input"].ravel()[:1000])
        assert 1 < largest <= 8
        assert 2 * longest * largest**2 < 2**24


def results_with(exact: bool = True) -> Results:
    """Every workload compared: heron takes 1 ms, oneDNN 1.2 ms, heron without AMX 3 ms."""
    level = asdict(Level("L2", math.inf, 1e15, 1e15))
    found = Results(memory={"1": [level]})
    for matrix in MATRICES:
        for case in matrix.cases:
            for against, seconds in (("", 1.2e-3), (matrix.beside, 3e-3)):
                bursts = [[seconds, 1e-3, problem(case).operations * 2e3]]
                match = {
                    "bursts": bursts, "exact": [True, exact], "implementation": "brgemm:amx", "memory": level,
                }  # fmt: skip
                found.put(results.label(case, against), 1, [match])
    return found


def test_the_page() -> None:
    text = page.render(results_with(), MATRICES, 1)
    assert page.wrong(results_with(), MATRICES, 1) == []
    (row,) = (line for line in text.splitlines() if line.startswith("| GEMM-G1 |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:5] == ["1200.00", "1000.00", "**1.200** (1.20–1.20)"]
    assert cells[-3:] == ["brgemm:amx", "3000.00", "3.00"]
    assert "oneDNN / heron 1.200, limit / heron 0." in text and "dlboost / heron 3.000 over 12" in text
    assert "## amx-bf16" in text and "| GEMM-G1 bf16 |" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {15}
    assert "x3.000" in results.line(results_with(), "GEMM-G1 / dlboost", 1)


def test_what_is_wrong_or_missing_is_said() -> None:
    empty = page.wrong(Results(), MATRICES, 1)
    assert "GEMM-G1: not compared" in empty and "GEMM-G1 bf16 / avx512-bf16: not compared" in empty
    assert "not compared" in page.render(Results(), MATRICES, 1)
    assert "GEMM-G1: a result is not exact" in page.wrong(results_with(exact=False), MATRICES, 1)
    failed = results_with()
    failed.tunings["x|1"] = {"trials": 5, "failed": 2, "reasons": {"a": 2}, "best": 1.0, "variant": "v"}
    assert page.wrong(failed, MATRICES, 1) == ["2 candidates failed after the solver had called them valid"]


def test_every_workload_gets_its_turn_at_tuning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuning.Work] = []
    monkeypatch.setattr(tuning, "tune", lambda work, slots, plan: asked.extend(work))
    options = options_of(["--work", str(tmp_path), "--out", str(tmp_path / "amx.md"), "--jobs", "1"])
    study = Study(options, MATRICES)
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    study.tune(now + 64.0)
    assert {each.target for each in asked} == {"amx-int8", "dlboost", "amx-bf16", "avx512-bf16"}
    assert len(asked) == 2 * sum(len(each.names) for each in MATRICES) == 32
    assert {each.seconds for each in asked} == {2.0}
    assert {each.target for each in asked[:16]} == {"amx-int8", "amx-bf16"}


def test_comparisons_at_the_same_time_have_libraries_of_their_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written: list[Path] = []
    monkeypatch.setattr("heron_cli.session.export", lambda store, target, folder, **_: written.append(folder))
    with Store.open(tmp_path / "heron.db"):
        plan = measuring.Plan(tmp_path / "heron.db", tmp_path, 0.0)
    case = find("GEMM-G1")
    for work in (Work(case, 1, "amx-int8"), Work(case, 1, "amx-int8", "dlboost")):
        for target in filter(None, (work.target, work.against)):
            measuring._export(work, target, plan)
    assert len(set(written)) == len(written) == 3


def test_onednn_may_use_amx_and_the_peak_is_that_of_tiles(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[list[Work], measuring.Plan]] = []
    monkeypatch.setattr(
        measuring, "compare", lambda results, work, slots, plan, save: asked.append((work, plan))
    )
    study = Study(
        options_of(["--work", str(tmp_path), "--out", str(tmp_path / "amx.md"), "--jobs", "1"]), MATRICES
    )
    study.results = results_with()
    del study.results.matches["GEMM-G1|1"], study.results.matches["GEMM-G1 bf16 / avx512-bf16|1"]
    study.measure(0.0)
    ((work, plan),) = asked
    assert (plan.isa, plan.processes) == (UNRESTRICTED, 3)
    assert [(each.label, each.instruction) for each in work] == [
        ("GEMM-G1", "tdpbusd"), ("GEMM-G1 bf16 / avx512-bf16", "tdpbf16ps"),
    ]  # fmt: skip
