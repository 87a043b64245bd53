from __future__ import annotations

import json
from pathlib import Path

from .conftest import Heron

BAD = """schema: heron/accelerator/1
name: bad
extends: dlboost
memories:
  - {name: l2, capacity: 5}
colour: red
"""


def test_what_ships_is_clean(heron: Heron) -> None:
    result = heron("lint", "dlboost")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "dlboost: no errors"


def test_every_error_has_its_place(heron: Heron) -> None:
    Path("bad.yaml").write_text(BAD)
    result = heron("lint", "dlboost", "bad.yaml", "--json")
    assert result.exit_code == 2
    found = [each for each in json.loads(result.stdout) if each["file"] == "bad.yaml"]
    assert [(each["line"], each["severity"]) for each in found] == [(5, "error"), (6, "error")]
    assert "unknown key" in found[1]["message"] or "colour" in found[1]["message"]
    text = heron("lint", "bad.yaml").stdout
    assert "bad.yaml:5:" in text
    assert "no errors" not in text


def test_warnings_fail_only_when_strict(heron: Heron) -> None:
    Path("other.yaml").write_text("schema: heron/accelerator/1\nname: another\nextends: dlboost\n")
    assert heron("lint", "other.yaml").exit_code == 0
    assert "warning" in heron("lint", "other.yaml").stdout
    assert heron("lint", "other.yaml", "--strict").exit_code == 2


def test_workload_files_are_checked_too(heron: Heron) -> None:
    entry = "{name: a, operator: gemm, shape: {m: 0, n: 1, k: 1}}"
    text = f"schema: heron/workloads/1\nname: w\nworkloads:\n  - {entry}\n"
    Path("w.yaml").write_text(text)
    result = heron("lint", "w.yaml", "--json")
    assert result.exit_code == 2
    (found,) = json.loads(result.stdout)
    assert (found["file"], found["line"]) == ("w.yaml", 4)


def test_a_missing_file(heron: Heron) -> None:
    result = heron("lint", "./none.yaml")
    assert (result.exit_code, result.stdout.count("\n")) == (2, 1)
    assert "no such file" in result.stdout
