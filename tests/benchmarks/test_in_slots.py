"""Benchmarks' work in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.dlboost_operators.slots import Slot
from benchmarks.dlboost_operators.tuning import items, settle
from benchmarks.native import HERE

BEGIN = """
import sys, time
from benchmarks.dlboost_operators.slots import Slot
from benchmarks.dlboost_operators.tuning import in_slots
from test_in_slots import Each, wait_long
if __name__ == "__main__":
    in_slots(wait_long, [Each(sys.argv[1])], [Slot(1, (int(sys.argv[2]),))], None, time.monotonic() + 60)
"""


class Each:
    threads = 1

    def __init__(self, path: str) -> None:
        self.path = path


def wait_long(source: Any, results: Any, slot: Slot, plan: Any) -> None:
    settle(slot)
    for each in items(source):
        Path(each.path).write_text(str(os.getpid()))
        time.sleep(60)


def test_what_is_left_of_a_killed_benchmark_ends_with_it(tmp_path: Path) -> None:
    """Workers of killed runs measured on, beside the next run's, on the same cores."""
    told, script = tmp_path / "pid", tmp_path / "begin.py"
    script.write_text(BEGIN)
    paths = os.pathsep.join([str(HERE.parent), str(HERE.parent / "src"), str(Path(__file__).parent)])
    core = str(min(os.sched_getaffinity(0)))
    with subprocess.Popen(
        [sys.executable, str(script), str(told), core], env={**os.environ, "PYTHONPATH": paths}
    ) as process:
        worker = int(_soon(lambda: told.exists() and told.read_text()))
        process.send_signal(signal.SIGKILL)
    assert _soon(lambda: not _runs(worker))


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _soon(what: Any) -> Any:
    """What is true within a minute, looked at often."""
    end = time.monotonic() + 60
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found
