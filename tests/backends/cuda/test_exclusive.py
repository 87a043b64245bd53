"""The lock on a GPU, between processes with different temporary folders, as those that measure have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from heron_cli.backends.cuda import exclusive as module
from heron_cli.backends.cuda.exclusive import exclusive

_TRIES = """
import fcntl, sys
from pathlib import Path
from heron_cli.backends.cuda import exclusive as module

module.FOLDER = Path(sys.argv[1])
usual = fcntl.flock
fcntl.flock = lambda file, how: usual(file, how | fcntl.LOCK_NB)
try:
    with module.exclusive("1f"):
        print("free")
except BlockingIOError:
    print("held")
"""


def tries(folder: Path, temporary: Path) -> str:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    command = [sys.executable, "-c", _TRIES, str(folder)]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return told.stdout.strip()


def test_it_holds_for_processes_with_another_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    (tmp_path / "own").mkdir()
    with exclusive("1f"):
        assert tries(tmp_path, tmp_path / "own") == "held"
        with exclusive("2e"):
            pass  # another GPU
    assert tries(tmp_path, tmp_path / "own") == "free"


def test_a_file_of_another_user_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    path = tmp_path / "heron-gpu-1f.lock"
    path.touch()
    path.chmod(0o444)
    with exclusive("1f"):
        assert tries(tmp_path, tmp_path) == "held"
