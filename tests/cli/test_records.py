from __future__ import annotations

import json
from pathlib import Path

from .conftest import Heron, complaint


def test_list_json_is_an_array_of_records(heron: Heron, database: Path) -> None:
    found = json.loads(heron("records", "list", "--db", database, "--json").stdout)
    assert [each["seconds"] for each in found] == [2e-3, 1e-3, None]
    for each in found:
        assert {"workload", "target", "status", "verified", "assignment", "created", "id"} <= each.keys()


def test_best_is_one_per_workload(heron: Heron, database: Path) -> None:
    found = json.loads(heron("records", "list", "--db", database, "--best", "--json").stdout)
    assert [(each["workload"], each["seconds"]) for each in found] == [("gemm[m=16,n=32,k=64]:u8s8s32", 1e-3)]


def test_list_filters(heron: Heron, database: Path) -> None:
    for option, value, count in [
        ("--status", "run-error", 1),
        ("--workload", "gemm[m=16,n=32,k=64]:u8s8s32", 2),
        ("--operator", "conv2d", 0),
        ("--target", "dlboost", 3),
    ]:
        result = heron("records", "list", "--db", database, option, value, "--json")
        assert len(json.loads(result.stdout)) == count, option


def test_list_for_people(heron: Heron, database: Path) -> None:
    lines = heron("records", "list", "--db", database).stdout.splitlines()
    assert lines[0].split() == ["ID", "WORKLOAD", "TARGET", "STATUS", "TIME", "CHECKED", "CREATED"]
    assert lines[2].split()[3:7] == ["ok", "1", "ms", "yes"]
    assert lines[3].split()[3:6] == ["run-error", "-", "no"]


def test_export_import_round_trip(heron: Heron, database: Path) -> None:
    assert heron("records", "export", "--db", database, "--out", "all.jsonl").exit_code == 0
    result = heron("records", "import", "all.jsonl", "--db", "new.db", "--json")
    assert json.loads(result.stdout) == {"added": 3, "files": {"all.jsonl": 3}}
    assert heron("records", "import", "all.jsonl", "--db", "new.db").stdout == "all.jsonl: 0 new records\n"
    again = heron("records", "export", "--db", "new.db").stdout
    assert again == Path("all.jsonl").read_text()


def test_export_does_not_overwrite(heron: Heron, database: Path) -> None:
    Path("mine").write_text("precious")
    said = complaint(heron("records", "export", "--db", database, "--out", "mine"))
    assert said == "mine: exists already; choose another file for --out"
    assert Path("mine").read_text() == "precious"


def test_merge(heron: Heron, database: Path) -> None:
    result = heron("records", "merge", database, "--db", "new.db", "--json")
    assert json.loads(result.stdout)["added"] == 3


def test_a_bad_line_is_named_and_nothing_is_imported(heron: Heron, database: Path) -> None:
    text = heron("records", "export", "--db", database).stdout
    Path("bad.jsonl").write_text(text + '{"workload": 3}\n')
    assert complaint(heron("records", "import", "bad.jsonl", "--db", "new.db")).startswith("bad.jsonl:4: ")
    assert json.loads(heron("records", "list", "--db", "new.db", "--json").stdout) == []


def test_no_database(heron: Heron) -> None:
    assert "no such database" in complaint(heron("records", "list", "--db", "none.db"))
    assert not Path("none.db").exists()
