"""The C compiler and binutils of this machine."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from heron_cli.errors import InputError

_PACKAGES = {
    "cc": "a C compiler such as gcc",
    "ld": "binutils",
    "ar": "binutils",
    "objcopy": "binutils",
    "objdump": "binutils",
}


class ToolError(RuntimeError):
    """A tool ran and failed; the message is one line with its first complaint."""


@cache
def tool(name: str) -> str:
    """The full path of cc, ld, ar, objcopy or objdump. Raises InputError when this machine has none."""
    candidates = ("cc", "gcc", "clang") if name == "cc" else (name,)
    for candidate in candidates:
        path = shutil.which(candidate)
        if path is not None:
            return path
    raise InputError(f"no '{name}' on the PATH; install {_PACKAGES[name]}")


def run_tool(name: str, arguments: Sequence[str | Path], where: Path | None = None) -> str:
    """Run a tool; returns what it prints.

    Raises InputError when there is no such tool, OSError when the disk is full, ToolError when it fails.
    """
    command = [tool(name), *map(str, arguments)]
    try:
        done = subprocess.run(
            command,
            cwd=where,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        raise InputError(f"cannot run {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        telling = [line for line in lines if re.search(r"error|cannot|No space|undefined", line)]
        reason = next(iter(telling or lines), f"exit status {done.returncode}")
        if os.strerror(errno.ENOSPC) in done.stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise ToolError(f"{Path(command[0]).name} failed: {reason.strip()}")
    return done.stdout
