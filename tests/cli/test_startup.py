"""Help and usage errors answer at once: nothing heavy is imported before a command runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"tvm", "tvm_ffi", "ortools", "lightgbm", "pydantic", "numpy", "scipy", "yaml", "rich", "sqlite3"}

PROGRAM = f"""
import sys
from heron_cli.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
print("CODE", code, "HEAVY", *sorted({HEAVY!r}.intersection(sys.modules)))
"""

HELP = [
    ["--help"],
    ["--version"],
    ["tune", "--help"],
    ["vta", "--help"],
    ["records", "--help"],
    ["targets", "--help"],
]

USAGE = [
    [],
    ["tuen"],
    ["--no-such-option"],
    ["tune"],
    ["tune", "--no-such-option"],
    ["tune", "gemm", "--trials", "none"],
    ["tune", "gemm", "--trials", "0"],
    ["tune", "gemm", "--time", "-3"],
    ["tune", "gemm", "--runner", "gpu"],
    ["tune", "gemm", "--set", "tile"],
    ["tune", "gemm", "--workloads", "starter"],
    ["records", "lsit"],
    ["records", "import"],
    ["lint"],
    ["explain"],
    ["space"],
    ["export-library", "--threads", "0"],
]


def run(arguments: list[str]) -> tuple[int, list[str], str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    words = done.stdout.splitlines()[-1].split()
    return int(words[1]), words[3:], done.stderr


@pytest.mark.parametrize("arguments", HELP, ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code, heavy, complaint = run(arguments)
    assert (code, heavy, complaint) == (0, [], "")


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_usage_errors_import_nothing_heavy(arguments: list[str]) -> None:
    code, heavy, complaint = run(arguments)
    assert (code, heavy) == (2, [])
    if arguments:  # without any, the help is the answer
        assert complaint.startswith("heron: error: ")
        assert complaint.count("\n") == 1
