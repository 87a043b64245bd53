from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from heron_cli.errors import InputError
from heron_cli.jobs.acceptance import Bar, Standing, read_bar
from heron_cli.records import Record, current_versions
from heron_cli.trial import Candidate, Measurement, Status, Trial

KEY = ("gemm[m=1]", "vta", 1)


def best(**measured: Any) -> Record:
    return Record(
        workload=KEY[0],
        definition={},
        operator="gemm",
        target=KEY[1],
        target_digest="d",
        threads=KEY[2],
        trial=Trial(Candidate.of("direct", {}), Measurement(Status.OK, verified=True, **measured)),
        seed=0,
        method="cga",
        versions=current_versions(),
        created="2026-11-23T14:00:00.000000+00:00",
    )


def kernel(**measured: Any) -> dict[str, Any]:
    entry = {"workload": KEY[0], "target": KEY[1], "threads": KEY[2], "versions": current_versions()}
    return {**entry, "seconds": None, "cycles": None, **measured}


def library(folder: Path, *kernels: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps({"schema": "heron/library/1", "kernels": kernels}))
    return folder


def bar(path: Path, least: float = 0.95) -> Bar:
    found = read_bar(path, least, required=True)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("old", "new", "standing", "speedup"),
    [
        ({"cycles": 100}, {"cycles": 100}, Standing.PASSED, 1.0),
        ({"cycles": 100}, {"cycles": 105}, Standing.PASSED, 100 / 105),
        ({"cycles": 100}, {"cycles": 106}, Standing.REGRESSED, 100 / 106),
        ({"seconds": 1e-3}, {"seconds": 5e-4}, Standing.PASSED, 2.0),
        ({"seconds": 1e-3}, {"seconds": 2e-3}, Standing.REGRESSED, 0.5),
        ({"seconds": 1e-3}, {"cycles": 5}, Standing.INCOMPARABLE, None),
    ],
)
def test_times_are_compared(
    tmp_path: Path, old: dict[str, Any], new: dict[str, Any], standing: Standing, speedup: float | None
) -> None:
    verdict = bar(library(tmp_path, kernel(**old))).judge(KEY, best(**new))
    assert (verdict.standing, verdict.missed) == (standing, standing is Standing.REGRESSED)
    assert verdict.speedup == (None if speedup is None else pytest.approx(speedup))


def test_a_kernel_that_is_gone_misses_the_bar_and_a_new_one_does_not(tmp_path: Path) -> None:
    found = bar(library(tmp_path, kernel(cycles=5)))
    assert found.judge(KEY, None).missed
    assert found.judge((*KEY[:2], 2), best(cycles=9)).standing is Standing.NEW


def test_seconds_of_another_processor_are_not_compared_but_other_software_is(tmp_path: Path) -> None:
    versions = {**current_versions(), "cpu": "another", "tvm": "0.1"}
    verdict = bar(library(tmp_path, kernel(seconds=1e-3, versions=versions))).judge(KEY, best(seconds=1.0))
    assert verdict.standing is Standing.INCOMPARABLE
    assert verdict.reason.startswith("cpu was another, is ")
    versions = {**current_versions(), "tvm": "0.1", "heron": "0.0"}
    verdict = bar(library(tmp_path, kernel(seconds=1e-3, versions=versions))).judge(KEY, best(seconds=1.0))
    assert verdict.standing is Standing.REGRESSED


def test_libraries_of_several_accelerators_are_one_bar(tmp_path: Path) -> None:
    library(tmp_path / "vta", kernel(cycles=5))
    library(tmp_path / "other", {**kernel(cycles=7), "target": "other"})
    assert set(bar(tmp_path).before) == {KEY, (KEY[0], "other", 1)}


def test_a_summary_of_an_earlier_job_is_a_bar(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    entries = [kernel(cycles=5), {**kernel(), "workload": "not reached"}]
    path.write_text(json.dumps({"schema": "heron/job-summary/1", "kernels": entries}))
    assert set(bar(path).before) == {KEY}


def test_a_bar_that_is_missing_is_an_error_only_where_required(tmp_path: Path) -> None:
    assert read_bar(tmp_path / "none", 1.0, required=False) is None
    with pytest.raises(InputError, match="neither a library nor a job's summary"):
        read_bar(tmp_path / "none", 1.0, required=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"schema": "heron/library/2", "kernels": []}',
        '{"schema": "heron/library/1", "kernels": [{"workload": 3}]}',
        json.dumps({"schema": "heron/library/1", "kernels": [kernel(cycles=-1)]}),
        '{"schema": "heron/library/1", "kernels": ' + "[" * 100_000,
    ],
)
def test_a_damaged_manifest_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError) as caught:
        read_bar(tmp_path, 1.0, required=False)
    assert str(caught.value).startswith(f"{tmp_path / 'manifest.json'}: ")
    assert "\n" not in str(caught.value)
