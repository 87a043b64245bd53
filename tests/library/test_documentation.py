"""The examples of docs/library.md work as they stand, with a library that holds their shape."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from heron_cli.backends.x86.toolchain import toolchain
from heron_cli.library.export import export
from heron_cli.library.style import HOST

PAGE = Path(__file__).parents[2] / "docs" / "library.md"


def example(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return str(text)


@pytest.fixture(scope="module")
def folder(make_item, tmp_path_factory: pytest.TempPathFactory) -> Path:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("documentation")
    export([make_item("gemm", m=128, n=768, k=768)], folder / "build/kernels", toolchain)
    return folder


def test_c_and_shell(folder: Path) -> None:
    (folder / "app.c").write_text(example("c"))
    source = example("sh").replace("cc app.c", "cc -Wall -Wextra -Werror app.c -o app")
    subprocess.run(["sh", "-ec", source], cwd=folder, check=True)
    done = subprocess.run([folder / "app"], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_python(folder: Path) -> None:
    before = "import numpy as np\nweight_array = np.ones((768, 768), np.int8)\n"
    before += "input_array = np.ones((128, 768), np.uint8)\n"
    after = "assert (output == 768).all()\n"
    program = [sys.executable, "-c", before + example("python") + after]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr


def test_table_of_statuses() -> None:
    declared = re.findall(
        r"^  (HERON_\w+) = (\d)", (HOST.folder / "interface.h.in").read_text(), re.MULTILINE
    )
    assert re.findall(r"^\| `(HERON_\w+)` \((\d)\)", PAGE.read_text(), re.MULTILINE) == declared
