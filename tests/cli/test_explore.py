"""What explains, compares and carries over: `space diff`, `explain`, `lint --for`, `model`, `report`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from heron_cli.errors import SpaceEmptyError

from .conftest import Heron, complaint

SHAPE = "height=7,width=7,in_channels=32,out_channels=32,kernel=1,padding=0"
CONV = ["conv2d", "--shape", SHAPE]
WORKLOADS = """schema: heron/workloads/1
name: one
dtype: {input: int8, weight: int8, accumulate: int32, output: int8}
workloads:
  - {name: only, operator: gemm, shape: {m: 16, n: 32, k: 32}}
"""
ROOMY = """schema: heron/accelerator/1
name: roomy
extends: vta
memories:
  - {name: uop, capacity: 1 MiB}
"""


def test_space_diff_names_a_witness_that_one_admits_and_the_other_does_not(heron: Heron) -> None:
    shape = "height=14,width=14,in_channels=256,out_channels=512,kernel=1,stride=2,padding=0"
    found = json.loads(
        heron("space", "diff", "vta", "vta-small", "conv2d", "--shape", shape, "--json").stdout
    )
    (variant,) = found["variants"]
    beyond = variant["one_not_other"]
    assert 0 < beyond["share"]["value"] < 1
    assert any("vta-small.yaml:" in reason and "off by" in reason for reason in beyond["reasons"])
    assert variant["other_not_one"]["witness"] is None
    knobs = ",".join(f"{name}={value}" for name, value in beyond["witness"].items())
    asked = ["explain", "conv2d", "--shape", shape, "--set", knobs]
    assert heron(*asked, "--target", "vta").exit_code == 0
    assert heron(*asked, "--target", "vta-small").exit_code == SpaceEmptyError.exit_code


def test_space_without_a_command_is_show(heron: Heron) -> None:
    short = heron("space", *CONV, "--target", "vta", "--json")
    assert short.exit_code == 0
    assert short.stdout == heron("space", "show", *CONV, "--target", "vta", "--json").stdout
    (variant,) = json.loads(short.stdout)["variants"]
    assert 0 < variant["size"] < variant["unconstrained"]


def test_explain_tells_the_nearest_candidate_that_is_allowed(heron: Heron) -> None:
    asked = ["explain", *CONV, "--target", "vta", "--set"]
    example = json.loads(heron(*asked, "inner.o=2", "--json").stdout)["variants"][0]["example"]
    broken = example | {"thread.o": 2}  # twice as many tiles as there are
    result = heron(*asked, ",".join(f"{name}={value}" for name, value in broken.items()), "--json")
    assert result.exit_code == SpaceEmptyError.exit_code
    (variant,) = json.loads(result.stdout)["variants"]
    assert not variant["possible"]
    near = variant["nearest"]
    assert len(near["changed"]) == 1
    fixed = ",".join(f"{name}={value}" for name, value in near["assignment"].items())
    assert heron(*asked, fixed).exit_code == 0


def test_lint_finds_what_decides_nothing_for_some_workloads(heron: Heron, tmp_path: Path) -> None:
    (tmp_path / "roomy.yaml").write_text(ROOMY)
    (tmp_path / "one.yaml").write_text(WORKLOADS)
    found = heron("lint", tmp_path / "roomy.yaml", "--for", tmp_path / "one.yaml")
    assert found.exit_code == 0
    line = next(line for line in found.stdout.splitlines() if "C6 micro-ops:" in line)
    assert "roomy.yaml:5:" in line
    assert "removes nothing from only" in line


def test_a_run_stops_at_the_gap_and_reports_the_bound(heron: Heron, tmp_path: Path) -> None:
    asked = ["tune", *CONV, "--target", "vta", "--db", tmp_path / "a.db", "--trials", 24]
    found = json.loads(heron(*asked, "--stop-at-gap", "900%", "--json").stdout)
    assert found["trials"] < 24
    assert found["best"]["cycles"] >= found["lower_bound"] > 0
    assert "× the model's bound" in heron(*asked, "--stop-at-gap", "900%").stdout
    assert "is not a percentage" in complaint(heron(*asked, "--stop-at-gap", "5"))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with 20 trials of two shapes."""
    from click.testing import CliRunner

    from heron_cli.cli import application

    path = tmp_path_factory.mktemp("model") / "some.db"
    for channels in (16, 32):
        shape = f"height=7,width=7,in_channels={channels},out_channels=32,kernel=1,padding=0"
        asked = ["tune", "conv2d", "--shape", shape, "--target", "vta", "--db", str(path), "--trials", "20"]
        result = CliRunner().invoke(application, asked)
        assert result.exit_code == 0, result.stderr
    return path


def test_a_model_travels_to_another_database_and_warms_up_a_new_shape(
    heron: Heron, measured: Path, tmp_path: Path
) -> None:
    trained = json.loads(
        heron("model", "train", "conv2d", "--target", "vta", "--db", measured, "--json").stdout
    )
    assert trained["trials"] == 40
    assert len(trained["workloads"]) == 2
    out, db = tmp_path / "model.json", tmp_path / "new.db"
    assert (
        heron("model", "export", "conv2d", "--target", "vta", "--db", measured, "--out", out).exit_code == 0
    )
    assert "exists already" in complaint(
        heron("model", "export", "conv2d", "--target", "vta", "--db", measured, "--out", out)
    )
    assert heron("model", "import", out, "--db", db).exit_code == 0
    asked = ["tune", "conv2d", "--shape", SHAPE.replace("7", "14"), "--target", "vta", "--trials", 4]
    assert "warmed up by 40 trials of 2 workloads" in heron(*asked, "--db", db).stderr
    assert "warmed up" not in heron(*asked, "--db", tmp_path / "cold.db").stderr
    assert "warmed up" not in heron(*asked, "--db", db, "--no-transfer", "--seed", 1).stderr


def test_what_is_no_model_is_refused(heron: Heron, measured: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    said = complaint(heron("model", "import", tmp_path / "bad.json", "--db", tmp_path / "x.db"))
    assert "bad.json: not a model: 'schema' must be heron/model/1" in said
    said = complaint(heron("model", "train", "gemm", "--target", "vta", "--db", measured))
    assert "0 trials of gemm on vta" in said


def test_report_writes_a_page_once(heron: Heron, measured: Path, tmp_path: Path) -> None:
    pytest.importorskip("plotly", reason="the extra `report` is not installed")
    out = tmp_path / "page.html"
    assert heron("report", "--db", measured, "--out", out).exit_code == 0
    assert "40 trials of 2 workloads" in out.read_text()
    assert "exists already; give --force" in complaint(heron("report", "--db", measured, "--out", out))
    assert heron("report", "--db", measured, "--out", out, "--force").exit_code == 0
    assert "no such records" in complaint(heron("report", "--db", measured, "--target", "none", "--out", out))
