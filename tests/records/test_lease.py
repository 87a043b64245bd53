from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from heron_cli.errors import InputError
from heron_cli.records import Lease

HOLD = """
import sys
from pathlib import Path
from heron_cli.records import Lease
with Lease(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process_holds(database: Path, workload: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(database), workload]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child
        child.kill()


def test_a_second_run_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    database = tmp_path / "heron.db"
    with another_process_holds(database, "gemm m=4") as child:
        with pytest.raises(
            InputError, match=rf"heron\.db: another run \(process {child.pid}\) is tuning gemm m=4"
        ):
            Lease(database, "gemm m=4")
        with Lease(database, "gemm m=8"), Lease(database, "gemm m=4", "another target"):
            pass
        with pytest.raises(InputError):  # our own leases come and go without touching the other's
            Lease(database, "gemm m=4")


def test_kill_minus_nine_frees_it(tmp_path: Path) -> None:
    with another_process_holds(tmp_path / "heron.db", "w") as child:
        child.kill()
        child.wait()
        Lease(tmp_path / "heron.db", "w").release()


def test_within_one_process(tmp_path: Path) -> None:
    first, second = Lease(tmp_path / "heron.db", "a"), Lease(tmp_path / "heron.db", "b")
    with pytest.raises(InputError):
        Lease(tmp_path / "heron.db", "a")
    second.release()
    with pytest.raises(InputError):
        Lease(tmp_path / "heron.db", "a")
    first.release()
    first.release()
    Lease(tmp_path / "heron.db", "a").release()
    assert list(tmp_path.iterdir()) == [], "the last to leave removes the file"


def test_a_forked_child_does_not_keep_it(tmp_path: Path) -> None:
    program = (
        "import os, sys, time; from pathlib import Path; from heron_cli.records import Lease\n"
        "lease = Lease(Path(sys.argv[1]), 'w')\n"
        "pid = os.fork()\n"
        "if pid == 0:\n    os.close(1); time.sleep(60)\n"
        "print(pid, flush=True); os._exit(0)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "heron.db")]
    orphan = int(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    try:
        Lease(tmp_path / "heron.db", "w").release()
    finally:
        subprocess.run(["kill", "-9", str(orphan)], check=True)


def test_many_processes_never_hold_it_together(tmp_path: Path) -> None:
    """The file is removed and made again all the time; whoever gets the lease must be alone."""
    program = """
import os, sys
from pathlib import Path
from heron_cli.errors import InputError
from heron_cli.records import Lease
database, witness = Path(sys.argv[1]), sys.argv[2]
won = 0
while won < 100:
    try:
        lease = Lease(database, "w")
    except InputError:
        continue
    with lease:
        os.close(os.open(witness, os.O_CREAT | os.O_EXCL))
        os.unlink(witness)
    won += 1
"""
    command = [sys.executable, "-c", program, str(tmp_path / "heron.db"), str(tmp_path / "witness")]
    children = [subprocess.Popen(command) for _ in range(3)]
    deadline = time.monotonic() + 60
    assert [child.wait(deadline - time.monotonic()) for child in children] == [0, 0, 0]


def test_a_directory_that_cannot_be_written() -> None:
    with pytest.raises(InputError, match="writable"):
        Lease(Path("/proc/heron.db"), "w")
