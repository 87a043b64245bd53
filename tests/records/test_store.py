from __future__ import annotations

import io
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from heron_cli.errors import InputError
from heron_cli.records import Purpose, Query, Store
from heron_cli.trial import Measurement, Status, Trial

from .builders import VERSIONS, moment, ranking, record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "heron.db")


def test_a_record_comes_back_as_it_was(store: Store) -> None:
    measurement = Measurement(
        Status.OK, 1.25e-3, 0.02, 77, True, "", 0.5, 0.25, "abc", {"stack_vectors": 2.0, "waves": 1.5}
    )
    original = record(3, at=7, round=2, position=5, seed=-4)
    original = record(trial=Trial(original.trial.candidate, measurement), round=2, position=5, seed=-4)
    stored = store.add(original)
    assert stored.id == 1
    assert store.all() == [original]
    assert store.all()[0].id == 1
    assert store.all()[0].trial.measurement.metrics == {"stack_vectors": 2.0, "waves": 1.5}


def test_each_trial_is_visible_to_others_at_once(store: Store) -> None:
    with Store.open(store.path, read_only=True) as reader:
        for knob in range(3):
            store.add(record(knob, at=knob))
            assert len(reader.all()) == knob + 1


def test_runs_and_workloads_are_stored_once(store: Store) -> None:
    for knob in range(5):
        store.add(record(knob, at=knob))
    store.add(record(9, seed=1))
    with sqlite3.connect(store.path) as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0]
            for t in ("workloads", "runs", "trials")
        ]
    assert counts == [1, 2, 6]


def test_adding_many_is_all_or_none(store: Store) -> None:
    def broken() -> object:
        yield record(1)
        raise KeyError("midway")

    with pytest.raises(KeyError):
        store.add_all(broken())  # type: ignore[arg-type]
    assert store.all() == []
    store.add(record(1))
    assert len(store.all()) == 1


def test_trials_filter_by_workload_target_threads_purpose_and_toolchain(store: Store) -> None:
    same_but_for_the_solver = VERSIONS | {"ortools": "99", "python": "3.14"}
    wanted = [record(1, at=1), record(2, at=2, versions=same_but_for_the_solver)]
    others = [
        record(3, versions=VERSIONS | {"tvm": "99"}),
        record(3, versions=VERSIONS | {"cpu": "another"}),
        record(3, threads=2),
        record(3, target_digest="d2"),
        record(3, workload="gemm m=8"),
        *ranking((3, 1.0), at=3),
    ]
    store.add_all(others + wanted)
    assert store.trials("gemm m=4", "d1", 1, VERSIONS) == wanted
    assert len(store.trials("gemm m=4", "d1", 1)) == 4
    assert len(store.all()) == len(others + wanted), "nothing may be deleted"


def test_query_selects_by_every_field(store: Store) -> None:
    store.add_all([record(1), record(2, None, method="random", seed=3), *ranking((3, 1.0), at=3)])
    assert len(store.all(Query(status=Status.BUILD_ERROR))) == 1
    assert len(store.all(Query(method="random", seed=3, verified=False))) == 1
    assert len(store.all(Query(purpose=Purpose.RANKING))) == 1
    assert len(store.all(Query(operator="gemm", target="toy"))) == 3
    assert store.all(Query(operator="conv2d")) == []


def test_best_is_one_per_workload_and_never_unverified(store: Store) -> None:
    store.add_all([record(1, 3.0), record(2, 2.0), record(3, 1.0, verified=False), record(4, None)])
    store.add_all([record(5, 9.0, workload="gemm m=8"), record(6, None, workload="gemm m=9")])
    assert [r.trial.candidate.values["tile"] for r in store.best()] == [2, 5]
    assert [r.cost for r in store.best(Query(workload="gemm m=8"))] == [9.0]


def test_best_of_a_toolchain_and_of_all(store: Store) -> None:
    other = VERSIONS | {"tvm": "99"}
    store.add_all([record(1, 3.0), record(2, 2.0, versions=other)])
    assert [r.cost for r in store.best(versions=VERSIONS)] == [3.0]
    assert [r.cost for r in store.best()] == [2.0]


def test_merge_and_import_are_idempotent(store: Store, tmp_path: Path) -> None:
    store.add_all([record(1, at=1), record(2, at=2)])
    with Store.open(tmp_path / "other.db") as other:
        other.add_all([record(2, at=2), record(3, at=3)])
    assert store.merge(tmp_path / "other.db") == 1
    assert store.merge(tmp_path / "other.db") == 0
    text = io.StringIO()
    assert store.export_jsonl(text) == 3
    (tmp_path / "records.jsonl").write_text(text.getvalue(), encoding="utf-8")
    with Store.open(tmp_path / "third.db") as third:
        assert third.import_jsonl(tmp_path / "records.jsonl") == 3
        assert third.import_jsonl(tmp_path / "records.jsonl") == 0
        assert third.all() == store.all()


def test_kill_minus_nine_keeps_what_was_added(tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from builders import record; from heron_cli.records import Store\n"
        "store = Store.open(sys.argv[1])\n"
        "with store.lease('w', 'd', 1):\n"
        "    for knob in range(10**6):\n"
        "        store.add(record(knob)); print(knob, flush=True)\n"
    )
    path = tmp_path / "heron.db"
    command = [sys.executable, "-c", program, str(path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as child:
        assert child.stdout is not None
        told = [int(child.stdout.readline()) for _ in range(20)]
        child.send_signal(signal.SIGKILL)
        told += [int(line) for line in child.stdout.read().split()]
    with Store.open(path) as store, store.lease("w", "d", 1):
        tiles = [r.trial.candidate.values["tile"] for r in store.all()]
    assert set(told) <= set(tiles)
    assert len(tiles) <= len(told) + 1


# ---- what a user can get wrong, and what machines do ----


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("these are my notes, keep them\n" * 100)
    for read_only in (False, True):
        with pytest.raises(InputError, match="not a database"):
            Store.open(path, read_only=read_only)
    assert path.read_text().startswith("these are my notes")


def test_the_database_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photos (id INTEGER)")
    with pytest.raises(InputError, match="another program"):
        Store.open(path)
    with sqlite3.connect(path) as connection:
        assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["photos"]


def test_a_newer_schema(store: Store) -> None:
    store.close()
    with sqlite3.connect(store.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    for read_only in (False, True):
        with pytest.raises(InputError, match=r"heron\.db: written by a newer heron \(schema 99; this one"):
            Store.open(store.path, read_only=read_only)


def test_missing_directory_missing_file_and_directory_as_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Store.open(tmp_path / "nowhere" / "heron.db")
    with pytest.raises(InputError, match="no such database"):
        Store.open(tmp_path / "heron.db", read_only=True)
    assert not (tmp_path / "heron.db").exists()
    with pytest.raises(InputError, match="a directory"):
        Store.open(tmp_path)


def test_a_directory_that_cannot_be_written() -> None:
    with pytest.raises(InputError, match=r"/proc/heron\.db: .*(opened|writable)"):
        Store.open("/proc/heron.db")


def test_reading_where_nothing_can_be_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add(record(1))
    store.close()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with Store.open(store.path, read_only=True) as frozen:
        assert len(frozen.all()) == 1
        with pytest.raises(InputError, match="not writable"):
            frozen.add(record(2))
    assert not Path(f"{store.path}-shm").exists()


def test_disk_full_says_so_and_keeps_what_was_there(store: Store) -> None:
    store.add(record(0))
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    added = 1
    with pytest.raises(InputError, match=r"heron\.db: disk full.*kept") as failure:
        while added < 1000:
            store.add(record(added))
            added += 1
    assert "\n" not in str(failure.value)
    assert len(store.all()) == added
    store._connection.execute("PRAGMA max_page_count = 100000")
    store.add(record(added))
    store.close()
    with Store.open(store.path) as again:
        assert len(again.all()) == added + 1


def test_a_database_that_another_process_keeps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store._connection.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(InputError, match="locked by another process"):
        store.add(record(1))
    other.execute("ROLLBACK")
    store.add(record(1))


def test_heron_s_own_bugs_are_not_blamed_on_the_user(store: Store) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        store.add(record(1, operator=None))


def test_created_orders_records_not_the_order_of_adding(store: Store) -> None:
    store.add_all([record(2, at=20), record(1, at=10)])
    assert [r.created for r in store.all()] == [moment(10), moment(20)]
