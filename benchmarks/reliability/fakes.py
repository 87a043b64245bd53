"""The kernels that misbehave, of the tests: tests/measure/kernels.c and its back end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[2] / "tests" / "measure"
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))  # child processes unpickle the fakes by module name


def library(folder: Path) -> str:
    """The shared library of the kernels, compiled into `folder`."""
    path = folder / "kernels.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", path, HERE / "kernels.c"], check=True)
    return str(path)


def processes_naming(text: str) -> list[int]:
    """Ids of the processes with `text` in their command line."""
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
