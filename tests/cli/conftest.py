"""What the tests of the command line share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from heron_cli.cli import application
from heron_cli.records import Record, Store, current_versions
from heron_cli.session import definition
from heron_cli.trial import Candidate, Measurement, Status, Trial

Heron = Callable[..., Result]
Process = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def heron(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Heron:
    """Run `heron` in this process and in an empty directory; stdout and stderr apart."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(application, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def start(tmp_path: Path) -> Process:
    """Start `heron` as a process of its own in the test's directory."""

    def run(*arguments: object, **options: object) -> subprocess.Popen[str]:
        source = Path(__file__).parents[2] / "src"
        # a shell's background jobs begin with SIGINT ignored
        options.setdefault("preexec_fn", lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        path = os.pathsep.join(filter(None, [str(source), os.environ.get("PYTHONPATH", "")]))
        process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-m", "heron_cli", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            **options,  # type: ignore[call-overload]
        )
        return process

    return run


@pytest.fixture
def record() -> Callable[..., Record]:
    """Make records of gemm on dlboost, as `heron tune` would write them."""
    from heron_cli.accelerator.loader import load
    from heron_cli.operators.workload import make

    def one(m: int = 16, seconds: float | None = 1e-3, *, verified: bool = True, second: int = 0) -> Record:
        workload, machine = make("gemm", {"m": m, "n": 32, "k": 64}), load("dlboost")
        status = Status.OK if seconds is not None else Status.RUN_ERROR
        measurement = Measurement(status, seconds, 0.01 if seconds else None, verified=verified)
        knobs = {"register.i": 1, "register.j": 1, "parallel.i": 1, "parallel.j": 1, "step.k": 1}
        return Record(
            workload=workload.key,
            definition=definition(workload),
            operator="gemm",
            target=machine.name,
            target_digest=machine.digest,
            threads=1,
            trial=Trial(Candidate.of("direct", {**knobs, "order.cache": 0}), measurement),
            seed=0,
            method="cga",
            versions=current_versions(),
            created=f"2026-11-23T14:00:{second:02}.000000+00:00",
        )

    return one


@pytest.fixture
def database(tmp_path: Path, record: Callable[..., Record]) -> Path:
    """A database with three records of two workloads."""
    path = tmp_path / "some.db"
    with Store.open(path) as store:
        store.add(record(16, 2e-3, second=1))
        store.add(record(16, 1e-3, second=2))
        store.add(record(17, None, verified=False, second=3))
    return path


def complaint(result: Result, code: int = 2) -> str:
    """The one line on stderr of a command that failed with this code and wrote no result."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("heron: error: ")
    return lines[0].removeprefix("heron: error: ")
