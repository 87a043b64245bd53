from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # child processes unpickle the fakes by module name


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The shared library of native kernels that behave badly."""
    path = tmp_path_factory.mktemp("kernels") / "kernels.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", path, HERE / "kernels.c"], check=True)
    return str(path)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all temporary files of the test, its children included."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def processes_naming(text: str) -> list[int]:
    """Ids of the processes with `text` in their command line, which for a nursery's family is its folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if text.encode() in command:
                found.append(int(entry.name))
    return found


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether the condition comes true; waits no longer than it has to."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def nothing_left(scratch: Path) -> Iterator[Path]:
    """Checks after the test that neither a process nor a file is left."""
    yield scratch
    assert eventually(lambda: not processes_naming(str(scratch))), "processes are left"
    assert eventually(lambda: not list(scratch.iterdir())), f"files are left: {list(scratch.rglob('*'))}"
