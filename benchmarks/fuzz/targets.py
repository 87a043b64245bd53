"""What is fuzzed: functions of bytes that may raise heron's own errors and nothing else."""

from __future__ import annotations

import ctypes
import hashlib
import json
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from heron_cli.errors import HeronError

Target = Callable[[bytes], None]


@dataclass(frozen=True)
class Fuzzed:
    """A target: how to make it in a folder of its own, inputs to start from, and its part of a whole run."""

    name: str
    make: Callable[[Path], Target]
    seeds: Callable[[], Sequence[bytes]]
    inputs: int
    longest: int = 1024


SEEDS = Path(__file__).with_name("seeds")
EXPRESSIONS = (
    b"register.m * register.n + register.n + 1 <= memories.register.vectors",
    b"tile(cache).m % 16 == 0 and pad.length(height) in (1, 2, 4) or not a.b != 3",
    b"min(a.m, b.n // 2, 3) - max(-1, limits.x) >= 0 < 5",
)


def _seeds(*names: str) -> list[bytes]:
    return [(SEEDS / f"{name}.yaml").read_bytes() for name in names]


def _file_target(folder: Path, name: str, read: Callable[[Path], object]) -> Target:
    path = folder / name

    def target(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read(path)
        except HeronError:
            return

    return target


def accelerator(folder: Path) -> Target:
    """YAML to an accelerator, as --target reads it."""
    from heron_cli.accelerator.loader import load

    return _file_target(folder, "fuzzed.yaml", load)


def workloads(folder: Path) -> Target:
    """YAML to workloads, as --workloads reads it."""
    from heron_cli.operators.workload import load_file

    return _file_target(folder, "fuzzed.yaml", load_file)


def job(folder: Path) -> Target:
    """YAML to a job, as `heron run` reads it."""
    from heron_cli.jobs.job import load

    return _file_target(folder, "fuzzed.yaml", lambda path: load(str(path)))


def expression(_: Path) -> Target:
    """A rule's text to its tree, and the tree back to text and prose."""
    from heron_cli.accelerator.expression import parse, to_prose, to_text

    def target(data: bytes) -> None:
        try:
            tree = parse(data.decode("utf-8", errors="replace"))
        except HeronError:
            return
        to_prose(tree)
        assert parse(to_text(tree)) == tree

    return target


def records(folder: Path) -> Target:
    """JSON lines to records in a database, as `heron records import` reads them."""
    from heron_cli.records import Store

    store = Store.in_memory()
    return _file_target(folder, "fuzzed.jsonl", store.import_jsonl)


def database(folder: Path) -> Target:
    """Another database into this one, as `heron records merge` reads it; its bytes or its values changed."""
    from heron_cli.records import Store

    store = Store.in_memory()
    path = folder / "fuzzed.db"

    def target(data: bytes) -> None:
        if not data:
            return
        content = bytearray(_database())
        if data[0] % 2:  # bytes of the file
            for place, value in zip(data[1::3], zip(data[2::3], data[3::3], strict=False), strict=False):
                content[(place * 256 + value[0]) % len(content)] = value[1]
            path.write_bytes(content)
        else:  # values of a well-formed file
            path.write_bytes(content)
            connection = sqlite3.connect(path)
            column = _COLUMNS[data[0] // 2 % len(_COLUMNS)]
            try:
                connection.execute(
                    f"UPDATE {column[0]} SET {column[1]} = ?", [data[1:].decode(errors="ignore")]
                )
                connection.commit()
            except sqlite3.Error:
                return  # a value that SQLite itself does not let in
            finally:
                connection.close()
        try:
            store.merge(path)
        except HeronError:
            return

    return target


_COLUMNS = (
    *(
        ("trials", name)
        for name in ("purpose", "assignment", "status", "metrics", "created", "reason", "variant")
    ),
    *(("trials", name) for name in ("seconds", "cycles", "verified", "round", "digest")),
    *(("workloads", name) for name in ("workload", "operator", "definition")),
    *(("runs", name) for name in ("target", "versions", "threads", "seed")),
)


def manifest(folder: Path) -> Target:
    """A library's manifest: opened by the Python loader, as a job's bar, and as a library of programs."""
    from heron_cli.backends.vta import exported
    from heron_cli.jobs.acceptance import read_bar
    from heron_cli.library.loader import LibraryError, load

    (folder / "lib").mkdir()
    shutil.copy(_shared_library(), folder / "lib" / "libheron_kernels.so")

    def target(data: bytes) -> None:
        (folder / "manifest.json").write_bytes(data)
        for read in (
            lambda: load(folder),
            lambda: read_bar(folder, 1.0, required=True),
            lambda: exported.run(exported.find(folder)),
        ):
            try:
                read()
            except (HeronError, LibraryError):
                continue

    return target


def records_seed() -> list[bytes]:
    """Lines of records as heron writes them."""
    return [(json.dumps(record.to_json()) + "\n").encode() for record in _records()]


def manifest_seed() -> list[bytes]:
    """A manifest that all readers accept, of native code and of programs."""
    content = json.loads(_manifest())
    program = json.loads(_manifest())
    program["kernels"][0]["file"] = "programs/a.bin"
    return [json.dumps(content).encode(), json.dumps(program).encode()]


def _records() -> list[object]:
    from heron_cli.records import Purpose, Record
    from heron_cli.trial import Candidate, Measurement, Status, Trial

    def record(purpose: Purpose, measurement: Measurement) -> Record:
        return Record(
            workload="gemm[m=1,n=2,k=3]:u8s8s32",
            definition={"operator": "gemm", "shape": {"m": 1, "n": 2, "k": 3}, "dtypes": {}},
            operator="gemm",
            target="tiny",
            target_digest="d",
            threads=1,
            trial=Trial(Candidate.of("direct", {"a.m": 4, "b": 2}), measurement),
            seed=0,
            method="cga",
            versions={"heron": "1", "cpu": "c"},
            created="2026-11-23T14:00:00.000000+00:00",
            purpose=purpose,
        )

    good = Measurement(Status.OK, 1e-3, 0.01, verified=True, program="p", metrics={"x": 1.0})
    return [
        record(Purpose.TRIAL, good),
        record(Purpose.RANKING, Measurement(Status.OK, cycles=5, verified=True)),
        record(Purpose.TRIAL, Measurement(Status.TIMEOUT, reason="no end")),
    ]


@cache
def _database() -> bytes:
    from heron_cli.records import Store

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed.db"
        with Store.open(path) as store:
            store.add_all(_records())  # type: ignore[arg-type]
        return path.read_bytes()


_NATIVE = """
const char *heron_build_id(void) { return "b"; }
const char *heron_status_string(int s) { return "s"; }
const char *heron_kernel_missing_cpu_feature(unsigned long i) { return 0; }
const char *heron_last_error(void) { return ""; }
int heron_gemm(void) { return 0; }
int heron_gemm_pack(void) { return 0; }
"""


@cache
def _shared_library() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="heron-fuzz-"))
    (folder / "k.c").write_text(_NATIVE)
    library = folder / "libheron_kernels.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, folder / "k.c"], check=True)
    ctypes.CDLL(str(library))
    return library


@cache
def _manifest() -> str:
    digest = hashlib.sha256(_shared_library().read_bytes()).hexdigest()
    kernel = {
        "workload": "gemm[m=1,n=2,k=3]:u8s8s32",
        "name": "g",
        "operator": "gemm",
        "shape": {"m": 1, "n": 2, "k": 3},
        "dtypes": {"input": "uint8", "weight": "int8", "accumulate": "int32", "output": "int32"},
        "epilogue": {},
        "requires": [],
        "operands": [
            {"name": "input", "shape": [1, 3], "dtype": "uint8", "packed_bytes": None},
            {"name": "weight", "shape": [2, 3], "dtype": "int8", "packed_bytes": 64},
            {"name": "output", "shape": [1, 2], "dtype": "int32", "packed_bytes": None},
        ],
        "symbol": "heron_gemm",
        "pack_symbol": "heron_gemm_pack",
        "target": "tiny",
        "threads": 1,
        "seconds": 1e-3,
        "versions": {"cpu": "c"},
    }
    content = {
        "schema": "heron/library/1",
        "memory": "host",
        "version": "0.1.0",
        "build_id": "b",
        "kernels": [kernel],
        "files": {"lib/libheron_kernels.so": digest},
    }
    return json.dumps(content)


TARGETS = {
    each.name: each
    for each in (
        Fuzzed("accelerator-yaml", accelerator, lambda: _seeds("accelerator", "extended"), 100_000, 1400),
        Fuzzed("workload-yaml", workloads, lambda: _seeds("workloads"), 80_000),
        Fuzzed("job-yaml", job, lambda: _seeds("job"), 120_000),
        Fuzzed("expression", expression, lambda: EXPRESSIONS, 500_000, 256),
        Fuzzed("records-import", records, records_seed, 220_000, 2048),
        Fuzzed(
            "database-merge", database, lambda: [b"\x01abcdef", b"\x00trial", b'\x02{"a": 1}'], 20_000, 256
        ),
        Fuzzed("library-manifest", manifest, manifest_seed, 100_000, 2048),
    )
}
