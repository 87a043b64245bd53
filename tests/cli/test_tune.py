"""The main job through the command line, small: tune, resume, replay, export, call."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from heron_cli.operators.expected import Expected, Reference

from .conftest import Heron, Process, complaint

GEMM = ["gemm", "--target", "dlboost", "--shape", "m=17,n=40,k=24"]
KEYS = {"name", "operator", "shape", "target", "trials", "valid", "invalid", "best"}
KEYS |= {"lower_bound", "bound_by", "seconds_spent"}

pytestmark = pytest.mark.vnni


def trials(database: Path, purpose: str = "trial") -> int:
    """How many trials, or records of another purpose, are committed."""
    if not database.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            count = "SELECT count(*) FROM trials WHERE purpose = ?"
            return int(connection.execute(count, (purpose,)).fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # not made yet


def test_tune_export_and_call(heron: Heron) -> None:
    result = heron("tune", *GEMM, "--trials", 8, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found.keys() == KEYS | {"workloads"}
    (workload,) = found["workloads"]
    assert workload == {name: found[name] for name in KEYS}
    assert (found["operator"], found["target"]) == ("gemm", "dlboost")
    assert found["shape"] == {"m": 17, "n": 40, "k": 24}
    assert (found["trials"], found["invalid"]) == (8, 0)
    assert found["best"]["seconds"] > 0
    assert found["best"]["verified"]
    assert found["seconds_spent"].keys() == {"solve", "build", "measure", "model"}
    records = json.loads(heron("records", "list", "--json").stdout)
    best = next(each for each in records if each["id"] == found["best"]["record"])
    assert best["assignment"] == found["best"]["assignment"]

    exported = heron("export-library", "--target", "dlboost", "--out", "lib", "--json")
    assert exported.exit_code == 0, exported.stderr
    document = json.loads(exported.stdout)
    assert [each["record"] for each in document["kernels"]] == [found["best"]["record"]]
    from heron_cli.library import load

    random = np.random.default_rng(0)
    left = random.integers(0, 256, (17, 24), dtype=np.uint8)
    right = random.integers(-128, 128, (40, 24), dtype=np.int8)
    product = load("lib").find("gemm", m=17, n=40, k=24)(left, right)
    assert (product == left.astype(np.int32) @ right.astype(np.int32).T).all()


def test_the_same_command_again_measures_nothing_again(heron: Heron) -> None:
    first = heron("tune", *GEMM, "--trials", 4, "--json")
    again = heron("tune", *GEMM, "--trials", 4, "--json")
    assert "4 trials of this run are recorded already" in again.stderr
    assert json.loads(again.stdout)["best"] == json.loads(first.stdout)["best"]
    assert trials(Path("heron.db")) == 4


def test_replay_needs_no_device_and_gives_the_same(heron: Heron) -> None:
    first = json.loads(heron("tune", *GEMM, "--trials", 4, "--json").stdout)
    replayed = json.loads(heron("tune", *GEMM, "--trials", 4, "--runner", "replay", "--json").stdout)
    assert replayed["best"]["assignment"] == first["best"]["assignment"]
    assert replayed["best"]["record"] is None
    assert trials(Path("heron.db")) == 4


def test_rank_again_measures_the_best_once_more_and_tries_nothing_new(heron: Heron) -> None:
    heron("tune", *GEMM, "--trials", 8)
    tried, ranked = (trials(Path("heron.db"), purpose) for purpose in ("trial", "ranking"))
    assert ranked > 1
    again = heron("tune", *GEMM, "--trials", 8, "--rank-again", "--json")
    assert again.exit_code == 0, again.stderr
    assert trials(Path("heron.db")) == tried
    assert trials(Path("heron.db"), "ranking") > ranked
    assert json.loads(again.stdout)["best"]["verified"]


def test_a_held_knob_is_held(heron: Heron) -> None:
    result = heron("tune", *GEMM, "--trials", 4, "--set", "step.k=2", "--json")
    assert json.loads(result.stdout)["best"]["assignment"]["step.k"] == 2


def test_build_only_needs_neither_device_nor_database(heron: Heron) -> None:
    yaml = (
        "schema: heron/accelerator/1\nname: mine\nextends: dlboost\nrequires: {cpu_flags: [avx1024_magic]}\n"
    )
    Path("mine.yaml").write_text(yaml)
    shape = ["--shape", "m=17,n=40,k=24"]
    result = heron("tune", "gemm", "--target", "./mine.yaml", *shape, "--trials", 4, "--build-only", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["trials"], found["valid"], found["best"]) == (4, 4, None)
    assert len(found["built"]) == 4
    assert not Path("heron.db").exists()


def test_several_workloads(heron: Heron) -> None:
    text = """schema: heron/workloads/1
name: two
workloads:
  - {name: a, operator: gemm, shape: {m: 1, n: 16, k: 4}}
  - {name: b, operator: conv2d, shape: {height: 4, width: 4, in_channels: 3, out_channels: 5, kernel: 3}}
"""
    Path("two.yaml").write_text(text)
    result = heron("tune", "--target", "dlboost", "--workloads", "two.yaml", "--trials", 2, "--json")
    found = json.loads(result.stdout)
    assert found.keys() == {"workloads"}
    assert [each["name"] for each in found["workloads"]] == ["a", "b"]
    plain = heron("tune", "--target", "dlboost", "--workloads", "two.yaml", "--trials", 2)
    assert [line.split(":")[0] for line in plain.stdout.splitlines()] == ["a", "b"]


def test_trials_that_all_fail_are_exit_code_4(heron: Heron, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reference, "__call__", _wrong)
    result = heron("tune", *GEMM, "--trials", 2, "--json")
    assert result.exit_code == 4
    found = json.loads(result.stdout)
    assert (found["trials"], found["invalid"], found["best"]) == (2, 2, None)
    assert result.stderr.splitlines()[-1].startswith(
        "heron: error: gemm[m=17,n=40,k=24]:u8s8s32: none of 2 trials"
    )
    assert "wrong-result" in result.stderr
    said = complaint(heron("export-library", "--target", "dlboost", "--out", "lib"))
    assert "none is recorded" in said


def _wrong(reference: Reference, arrays: dict[str, np.ndarray]) -> Expected:
    return Expected(np.zeros((17, 40), np.int32))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_was_measured_survives(start: Process, heron: Heron, number: signal.Signals) -> None:
    database = Path("heron.db").absolute()
    running = start("tune", *GEMM, "--trials", 500, "--db", database)
    deadline = time.monotonic() + 120
    while trials(database) < 3:
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running.send_signal(number)
    _, err = running.communicate(timeout=60)
    if number is signal.SIGINT:
        assert running.returncode == 130
        last = err.splitlines()[-1]
        assert last.startswith(f"heron: error: interrupted; what was measured is kept in {database}; ")
        assert "the same command goes on" in last
    before = trials(database)
    assert before >= 3
    result = heron("tune", *GEMM, "--trials", before + 1)
    assert f"{before} trials of this run are recorded already" in result.stderr
    assert trials(database) == before + 1
