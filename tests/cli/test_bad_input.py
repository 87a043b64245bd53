"""Bad input, case by case: one clear line that says what is wrong and where, and the exit code."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from heron_cli import doctor
from heron_cli.records import Record, Store

from .conftest import Heron, Process, complaint

GEMM = ["gemm", "--target", "dlboost", "--shape", "m=16,n=32,k=64"]
HEAD = "schema: heron/accelerator/1\nname: mine\nextends: dlboost\n"

YAML = {
    "unknown key": ("colour: red\n", "mine.yaml:4:1: ", "colour"),
    "duplicate key": ("name: again\n", "mine.yaml:4:1: ", "name"),
    "bare number": ("memories: [{name: l2, capacity: 5}]\n", "mine.yaml:4:", "capacity"),
    "wrong unit": ("memories: [{name: l2, capacity: 5 GHz}]\n", "mine.yaml:4:", "capacity"),
    "cyclic extends": (None, "mine.yaml:3:", "mine"),
    "unknown variable": ("rules: [{name: r, why: w, require: nothing.m <= 4}]\n", "mine.yaml:4:", "nothing"),
    "non-boolean rule": ("rules: [{name: r, why: w, require: register.m + 4}]\n", "mine.yaml:4:", "rules"),
}


@pytest.mark.parametrize("case", YAML)
@pytest.mark.parametrize("command", ["tune", "space"])
def test_yaml(heron: Heron, case: str, command: str) -> None:
    text, place, word = YAML[case]
    Path("mine.yaml").write_text(HEAD.replace("dlboost", "./mine.yaml") if text is None else HEAD + text)
    said = complaint(heron(command, "gemm", "--target", "./mine.yaml", "--shape", "m=16,n=32,k=64"))
    assert place in said
    assert word in said


def test_all_errors_of_a_file_are_told_at_once(heron: Heron) -> None:
    Path("mine.yaml").write_text(HEAD + "colour: red\nshape: round\n")
    result = heron("space", "gemm", "--target", "./mine.yaml", "--shape", "m=16,n=32,k=64")
    lines = result.stderr.splitlines()
    assert (result.exit_code, len(lines)) == (2, 2)
    assert lines[0].startswith("heron: error: mine.yaml:4:1: ")
    assert lines[1].startswith("heron: error: mine.yaml:5:1: ")


SHAPES = {
    "m=16,n=32": "the shape lacks k",
    "m=-16,n=32,k=64": "m is -16; it is at least 1",
    "m=0,n=32,k=64": "m is 0; it is at least 1",
    "m=16,n=32,k=64,z=1": "no parameter is called 'z'",
    "m=16,n=32,k": "'k' is not of the form name=value",
    "m=16,n=32,k=64,k=65": "k is given twice",
    "m=big,n=32,k=64": "m is 'big'; it is an integer",
    "m=16,n=32,k=99999999999": "it is below 2**31",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shape(heron: Heron, shape: str) -> None:
    said = complaint(heron("tune", "gemm", "--shape", shape))
    assert said.startswith("--shape: ")
    assert SHAPES[shape] in said


def test_unknown_dtype(heron: Heron) -> None:
    said = complaint(heron("tune", *GEMM, "--dtype", "input=float8"))
    assert "dtype input is 'float8'; there are uint8, " in said


def test_dtype_that_the_accelerator_cannot_compute(heron: Heron) -> None:
    said = complaint(heron("space", *GEMM, "--dtype", "input=float32,weight=float32"))
    assert "dlboost cannot run" in said
    assert "uint8" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gemm"], "the shape lacks m, n, k"),
        ([*GEMM, "--method", "magic"], "--method magic: no such search method; there are "),
        (["gem", "--shape", "m=1"], "no operator is called 'gem'; did you mean gemm or gemv?"),
        (["--workloads", "sarter"], "did you mean 'starter'?"),
        (["--workloads", "starter", "--only", "x*"], "no workload of "),
        (["--workloads", "./none.yaml"], "cannot be read"),
        ([*GEMM, "--time", "soon"], "'soon' is not a time above 0, like 90s, 5m or 1h"),
        ([*GEMM, "--build-only", "--runner", "replay"], "--build-only runs nothing"),
        ([*GEMM, "--runner", "replay", "--db", "none.db"], "no such database"),
        (["--only", "x*"], "give OPERATOR and --shape, or --workloads"),
        (
            ["--workloads", "starter", *GEMM[:1]],
            "give either OPERATOR, --shape, --dtype and --epilogue, or --workloads",
        ),
    ],
)
def test_tune(heron: Heron, arguments: list[str], said: str) -> None:
    assert said in complaint(heron("tune", *arguments))


def test_a_cpu_without_the_feature(heron: Heron, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEAD + "requires: {cpu_flags: [avx1024_magic]}\n"
    Path("mine.yaml").write_text(text)
    reason = "this CPU lacks avx1024_magic"
    said = complaint(heron("tune", "gemm", "--target", "./mine.yaml", "--shape", "m=16,n=32,k=64"))
    assert said == f"mine cannot be measured here: {reason}; --build-only builds without measuring"
    result = heron("doctor", "--target", "./mine.yaml")
    assert result.exit_code == 2
    assert f"mine: cannot be measured here: {reason}" in result.stdout
    assert "--build-only works" in result.stdout


def test_a_machine_that_can_measure_nothing(heron: Heron, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "obstacles", lambda accelerator: ["this CPU is made of wood"])
    said = complaint(heron("tune", "gemm", "--shape", "m=16,n=32,k=64"))
    assert "this machine can measure no accelerator" in said
    assert "dlboost: this CPU is made of wood" in said
    assert heron("doctor").exit_code == 2


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    path = tmp_path / "newer.db"
    with Store.open(path):
        pass
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    return path


@pytest.mark.parametrize(
    "command", [["records", "list"], ["tune", *GEMM], ["export-library", "--out", "lib"]]
)
@pytest.mark.vnni
def test_a_database_of_a_newer_schema(heron: Heron, newer: Path, command: list[str]) -> None:
    assert "written by a newer heron (schema 99; " in complaint(heron(*command, "--db", newer))


@pytest.mark.vnni
def test_a_database_that_another_run_uses(
    heron: Heron, start: Process, database: Path, record: Callable[..., Record]
) -> None:
    held = record()
    with Store.open(database) as store, store.lease(held.workload, held.target_digest, 1):
        done = start("tune", *GEMM, "--db", database, "--trials", 1)
        out, err = done.communicate(timeout=120)
    assert (done.returncode, out) == (2, "")
    lines = err.splitlines()
    assert len(lines) == 1
    assert "another run (process " in lines[0]
    assert "choose another file for --db" in lines[0]


def test_a_full_disk(heron: Heron, start: Process, database: Path) -> None:
    """A file may not grow past a limit here, which SQLite meets as it meets a full disk."""
    Path("many.jsonl").write_text(heron("records", "export", "--db", database).stdout)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = start("records", "import", "many.jsonl", "--db", "new.db", preexec_fn=limit)
    out, err = done.communicate(timeout=120)
    assert (done.returncode, out) == (2, "")
    assert err.startswith("heron: error: new.db: ")
    assert err.count("\n") == 1


def test_an_output_directory_that_is_not_empty(heron: Heron, database: Path) -> None:
    Path("lib").mkdir()
    Path("lib/precious").write_text("mine")
    said = complaint(heron("export-library", "--target", "dlboost", "--db", database, "--out", "lib"))
    assert said == "lib: the directory is not empty; name another, or replace it with --force"
    assert Path("lib/precious").read_text() == "mine"


def test_export_without_a_verified_record(heron: Heron, record: Callable[..., Record]) -> None:
    with Store.open("mine.db") as store:
        store.add(record(seconds=None, verified=False))
    said = complaint(heron("export-library", "--target", "dlboost", "--db", "mine.db", "--out", "lib"))
    assert (
        said == "mine.db: no verified kernel for dlboost to export: none is recorded; run `heron tune` first"
    )
    assert not Path("lib").exists()


def test_export_of_another_description(heron: Heron, database: Path) -> None:
    Path("mine.yaml").write_text(
        "schema: heron/accelerator/1\nname: dlboost\nextends: dlboost\nlimits: {x: 1}\n"
    )
    said = complaint(heron("export-library", "--target", "./mine.yaml", "--db", database, "--out", "lib"))
    assert "another description of it" in said


def test_export_of_a_workload_that_was_never_tuned(heron: Heron, database: Path) -> None:
    result = heron(
        "export-library", "--db", database, "--target", "dlboost", "--workloads", "starter", "--out", "x"
    )
    assert result.exit_code == 2
    assert "never tuned" in result.stderr
