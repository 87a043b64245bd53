from __future__ import annotations

import itertools
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.dlboost_operators import report
from benchmarks.dlboost_operators import results as comparisons
from benchmarks.dlboost_operators.cases import Case, beside, cases, find, workload_of
from benchmarks.dlboost_operators.limits import Level, Limit, level_of, limit, moved_bytes, real_products
from benchmarks.dlboost_operators.results import Results
from benchmarks.dlboost_operators.slots import Slot, apart, physical, rounds
from benchmarks.onednn import problem, random_arrays
from benchmarks.reference import reference
from heron_cli.operators import registry
from heron_cli.operators.workload import make

TRANSPOSED: dict[str, Any] = {
    "height": 4, "width": 3, "in_channels": 4, "out_channels": 6, "kernel": 3, "stride": 2, "padding": 1,
}  # fmt: skip
SMALL: list[tuple[str, dict[str, Any]]] = [
    ("gemm", {"m": 3, "n": 5, "k": 7}),
    ("gemv", {"m": 5, "k": 7}),
    ("bmm", {"batch": 2, "m": 3, "n": 5, "k": 7}),
    ("bmm", {"batch": 2, "m": 3, "n": 5, "k": 7, "layout": "NT"}),
    ("scan", {"m": 3, "n": 5, "k": 7}),
    ("conv1d", {"width": 9, "in_channels": 4, "out_channels": 6, "kernel": 3, "dilation": 2, "padding": 1}),
    ("conv2d", {"height": 6, "width": 5, "in_channels": 4, "out_channels": 6, "kernel": 3, "stride": 2}),
    ("conv2d", {"height": 6, "width": 5, "in_channels": 4, "out_channels": 6, "kernel": 3, "groups": 2}),
    ("conv3d", {"depth": 3, "height": 4, "width": 5, "in_channels": 2, "out_channels": 3, "kernel": 2}),
    ("depthwise_conv2d", {"height": 6, "width": 5, "channels": 4, "kernel": 3, "padding": 1}),
    ("depthwise_conv2d", {"height": 6, "width": 5, "channels": 3, "kernel": 3, "multiplier": 2, "stride": 2}),
    ("conv2d_transpose", {**TRANSPOSED, "padding": 0}),
    ("conv2d_transpose", {**TRANSPOSED, "output_padding": 1, "groups": 2}),
]


def case_of(operator: str, shape: dict[str, Any]) -> Case:
    return Case("x", operator, dict(make(operator, shape).shape), "gemm")


@pytest.mark.parametrize(("operator", "shape"), SMALL, ids=[f"{o}-{i}" for i, (o, _) in enumerate(SMALL)])
def test_both_sides_are_given_the_same_problem(operator: str, shape: dict[str, Any]) -> None:
    """oneDNN's problem, in heron's layouts, has the result that heron's operator defines."""
    workload, case = make(operator, shape), case_of(operator, shape)
    arrays, described = random_arrays(case), problem(case)
    specs = registry.get(operator).specs(workload)
    mine = {name: arrays[name].reshape(specs[name].shape) for name in ("input", "weight")}
    expected = registry.get(operator).reference(workload, mine)
    np.testing.assert_array_equal(reference(described, arrays).reshape(expected.shape), expected)


def test_the_workloads_are_the_papers_and_the_network() -> None:
    found = cases()
    assert len({case.name for case in found}) == len(found) == 49 + 21
    assert sum(case.count for case in found if case.name.startswith("ResNet-50")) == 54
    for case in found:
        workload = workload_of(case)
        described = problem(case)
        for name in ("input", "weight", "output"):
            spec = registry.get(case.operator).specs(workload)[name]
            assert math.prod(getattr(described, name).shape) == math.prod(spec.shape), case.name
        assert described.operations == 2 * registry.get(case.operator).macs(workload)


def test_depthwise_layers_are_compared_and_change_no_bar() -> None:
    results = results_with(1.2)
    bars, page = report.failed_bars(results), report.render(results)
    assert "MobileNet" not in page
    for case in beside():
        assert find(case.name) is case and case.family == "depthwise"
        assert problem(case).operations == 2 * registry.get(case.operator).macs(workload_of(case))
        match = {**results.matches["GEMM-G1|1"][0], "bursts": [[5e-4, 1e-3, 1e12]]}
        results.put(case.name, 1, [match])
        results.tunings[f"{case.name}|1"] = {
            "trials": 5, "failed": 1, "reasons": {"build-error: x": 1}, "best": 1.0, "variant": "v",
        }  # fmt: skip
    assert report.failed_bars(results) == bars
    after = report.render(results)
    assert "1 thread: geometric mean 0.500" in after
    assert sum(line.startswith("| MobileNet") for line in after.splitlines()) == len(beside()) == 4
    assert "x0.500" in comparisons.line(results, beside()[0].name, 1)


@given(
    size=st.integers(1, 7), kernel=st.integers(1, 3), stride=st.integers(1, 3), padding=st.integers(0, 2),
    dilation=st.integers(1, 2), transposed=st.booleans(),
)  # fmt: skip
def test_real_products_are_those_of_ones(
    size: int, kernel: int, stride: int, padding: int, dilation: int, transposed: bool
) -> None:
    """A convolution of ones by ones counts the products that each sum has."""
    shape = {
        "batch": 1, "width": size, "in_channels": 2, "out_channels": 3, "kernel": kernel, "stride": stride,
        "padding": padding, "dilation": dilation,
    }  # fmt: skip
    case = Case("x", "conv1d_transpose" if transposed else "conv1d", shape, "conv1d")
    described = problem(case)
    if min(described.output.shape) < 1:
        return
    ones = {name: np.ones(getattr(described, name).shape, np.uint8) for name in ("input", "weight")}
    assert real_products(described, described.operations) == reference(described, ones).sum()


def test_the_limit_is_the_longest_of_three() -> None:
    described = problem(case_of("gemm", {"m": 8, "n": 16, "k": 32}))
    near, far = Level("L1d", 4000.0, 1e9, 1e12), Level("DRAM", math.inf, 1e6, 1e12)
    assert limit(described, 1.0, near) == Limit(2 * 8 * 16 * 32, "compute")
    read = limit(described, 1e15, level_of(described, [near, far]))
    assert (read.by, read.seconds) == ("L1d", pytest.approx((8 * 32 + 16 * 32) / 1e9))
    small = Level("L1d", 100.0, 1e9, 1e12)
    assert level_of(described, [small, far]).name == "DRAM"
    slow = Level("L1d", 4000.0, 1e12, 1e3)
    assert limit(described, 1e15, slow).seconds == pytest.approx(4 * 8 * 16 / 1e3)


@given(
    size=st.integers(1, 9), kernel=st.integers(1, 3), stride=st.integers(1, 4), padding=st.integers(0, 2),
    dilation=st.integers(1, 3),
)  # fmt: skip
def test_what_strides_pass_over_is_not_moved(
    size: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    """An input counts as far as changing it changes the result."""
    shape = {
        "batch": 1, "width": size, "in_channels": 2, "out_channels": 1, "kernel": kernel, "stride": stride,
        "padding": padding, "dilation": dilation,
    }  # fmt: skip
    described = problem(Case("x", "conv1d", shape, "conv1d"))
    if min(described.output.shape) < 1:
        return
    ones = {name: np.ones(getattr(described, name).shape, np.uint8) for name in ("input", "weight")}
    plain, read = reference(described, ones), 0
    for i in range(size):
        changed = {**ones, "input": ones["input"].copy()}
        changed["input"][:, i] = 0
        read += 2 * bool((reference(described, changed) != plain).any())
    assert moved_bytes(described)["input"] == read


def test_two_cpus_of_one_core_are_found() -> None:
    def by(core: dict[int, int]) -> list[int]:
        return apart(sorted(core), lambda a, b: 1.05 if core[a] == core[b] else 1.9)

    assert by({cpu: cpu // 2 for cpu in range(8)}) == [0, 2, 4, 6]
    assert by({cpu: cpu % 4 for cpu in range(8)}) == [0, 1, 2, 3]
    assert by({cpu: cpu for cpu in range(8)}) == list(range(8))
    assert by({0: 0, 1: 0, 2: 1}) == [0, 1, 2]  # too few to tell


@given(cores=st.integers(1, 40))
def test_slots_of_a_round_share_the_cores_and_none_is_in_two(cores: int) -> None:
    found = rounds(list(range(cores)), [1, 2])
    slots = list(itertools.chain.from_iterable(found))
    assert {slot.threads for slot in slots} == ({1, 2} if cores > 1 else {1})
    assert all(len(slot.cores) == slot.threads for slot in slots)
    for each in found:
        used = list(itertools.chain.from_iterable(slot.cores for slot in each))
        assert len(used) == len(set(used))
        assert len(used) >= cores - 1


def test_two_cores_have_no_room_for_both_kinds_at_once() -> None:
    assert rounds([0, 1], [2, 1]) == [[Slot(1, (0,)), Slot(1, (1,))], [Slot(2, (0, 1))]]
    assert rounds([0, 1, 2], [1, 2]) == [[Slot(1, (0,)), Slot(2, (1, 2))]]


def test_only_two_threads() -> None:
    assert rounds([0, 1, 2, 3, 4], [2]) == [[Slot(2, (0, 1)), Slot(2, (2, 3))]]


def test_one_cpu_of_each_physical_core(tmp_path: Path) -> None:
    for cpu in range(4):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "physical_package_id").write_text("0\n")
        (folder / "core_id").write_text(f"{cpu % 2}\n")
    assert physical(range(4), tmp_path) == [0, 1]
    assert physical([2, 3], tmp_path) == [2, 3]
    assert physical([7, 8], tmp_path) == [7, 8]  # nothing is told


def results_with(ratio: float, *, exact: bool = True) -> Results:
    """Every workload compared on both numbers of threads; heron takes 1 ms."""
    found = Results(memory={t: [asdict(Level("DRAM", math.inf, 1e15, 1e15))] for t in ("1", "2")})
    for case in cases():
        for threads in (1, 2):
            peak = problem(case).operations * 1e3
            match = {
                "bursts": [[1e-3 * ratio, 1e-3, peak]], "exact": [True, exact], "implementation": "x",
                "memory": asdict(Level("DRAM", math.inf, 1e15, 1e15)),
            }  # fmt: skip
            found.put(case.name, threads, [match])
    return found


def test_pairs_of_bursts_on_cores_that_were_shared_are_left_out() -> None:
    found, case = results_with(1.2), cases()[0]
    (match,) = found.matches[f"{case.name}|2"]
    (theirs, ours, peak), shared = match["bursts"][0], [3e-3, 5e-3, 0.5 * match["bursts"][0][2]]
    few = {**match, "bursts": [[theirs, ours, peak]] * 4 + [shared] * 5}
    enough = {**match, "bursts": [[theirs, ours, peak]] * 5 + [shared] * 9}
    found.put(case.name, 2, [enough, {**match, "bursts": [shared]}])
    quiet = comparisons.row(found, case, 2)
    assert quiet is not None and quiet.ratio == pytest.approx(1.2) and quiet.spread == (quiet.ratio,) * 2
    found.put(case.name, 2, [few])
    every = comparisons.row(found, case, 2)
    assert every is not None and every.ratio == pytest.approx(0.6)


def test_what_was_not_calm_is_known_by_the_highest_peak_of_all() -> None:
    found, (first, second, third, *_) = results_with(1.2), cases()
    for case, peaks in ((first, [9.9e11, 9.8e11, 4e11]), (second, [9e11, 9e11, 1e12])):
        (match,) = found.matches[f"{case.name}|2"]
        match["bursts"] = [[1e-3, 1e-3, peak] for peak in peaks]
    for case in cases()[2:]:
        del found.matches[f"{case.name}|2"]
    assert comparisons.most(found, 2) == 1e12
    assert [comparisons.was_calm(found, case.name, 2) for case in (first, second, third)] == [
        True,
        False,
        False,
    ]


def test_each_workload_counts_by_the_faster_onednn() -> None:
    found, (first, second, *others) = results_with(1.2), cases()
    found.newest = "oneDNN 9.9.9"
    missing = f"not compared with {found.newest}: {first.name}"
    assert any(missing in text for text in report.failed_bars(found))
    (match,) = found.matches[f"{first.name}|1"]
    for case, theirs in ((first, 0.5e-3), (second, 2e-3), *((case, 1.5e-3) for case in others)):
        for threads in (1, 2):
            burst = [theirs, 1e-3, problem(case).operations * 1e3]
            found.put(comparisons.label(case, found.newest), threads, [{**match, "bursts": [burst]}])
    ratios = {row.case.name: row.ratio for row in report.rows(found, 1)}
    assert ratios == pytest.approx({case.name: 0.5 if case is first else 1.2 for case in cases()})
    bars, page = report.failed_bars(found), report.render(found)
    assert f"1 thread, {first.name}: 0.500, bar 0.92" in bars
    assert not any("compared" in text for text in bars)
    lines = [line.split(" | ") for line in page.splitlines() if line.startswith(f"| {second.name} | ")]
    assert len(lines) == 2  # one and two threads
    cells = lines[0]
    assert (cells[4], cells[-2:]) == ("**1.200** (1.20–1.20)", ["2000.00", "2.00 |"])
    (wrong,) = found.matches[comparisons.label(second, found.newest) + "|2"]
    wrong["exact"] = [True, False]  # in the comparison that does not count for the ratio
    assert f"2 threads, {second.name}: a result is not exact" in report.failed_bars(found)
    assert "the faster oneDNN of each" in page and "oneDNN 9.9.9, was compared" in page


def test_bars() -> None:
    good = results_with(1.2)
    least = [text for text in report.failed_bars(good) if "limit" not in text]
    assert least == []
    bad = report.failed_bars(results_with(0.9))
    assert any("all workloads" in text for text in bad)
    assert any("bmm" in text and "1.15" in text for text in bad)
    assert any("GEMM-G1" in text and "0.92" in text for text in bad)
    assert any("not exact" in text for text in report.failed_bars(results_with(1.2, exact=False)))
    assert any("not compared" in text for text in report.failed_bars(Results()))
    good.tunings["GEMM-G1|1"] = {
        "trials": 5,
        "failed": 1,
        "reasons": {"build-error: x": 1},
        "best": 1.0,
        "variant": "v",
    }
    assert any("1 candidates failed" in text for text in report.failed_bars(good))


def test_the_page_has_a_row_for_every_workload_and_survives_the_disk(tmp_path: Path) -> None:
    results = results_with(1.2)
    results.put("GEMM-G1", 1, "it\nfailed so")
    results.save(tmp_path / "results.json")
    again = comparisons.read(tmp_path / "results.json")
    assert json.loads((tmp_path / "results.json").read_text()) == asdict(results)
    page = report.render(again)
    assert page == report.render(results)
    assert sum(line.startswith("| GEMM-G") for line in page.splitlines()) == 10
    assert "failed so" in page and "All layers of ResNet-50" in page
