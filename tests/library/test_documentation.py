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
from heron_cli.library.style import DEVICE, HOST, Style
from heron_cli.operators import registry

PAGE = Path(__file__).parents[2] / "docs" / "library.md"


def page(section: str = "") -> str:
    """The text before the section on GPUs, or the section that begins with `section`."""
    parts = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    named = [part for part in parts if part.startswith(section or "From ")]
    assert named
    return "".join(named)


def example(language: str, section: str = "") -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", page(section), re.DOTALL | re.MULTILINE)
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


@pytest.mark.parametrize(("style", "section"), [(HOST, ""), (DEVICE, "A library for a GPU")])
def test_table_of_statuses(style: Style, section: str) -> None:
    declared = re.findall(
        r"^  (HERON_\w+) = (\d)", (style.folder / "interface.h.in").read_text(), re.MULTILINE
    )
    assert re.findall(r"^\| `(HERON_\w+)` \((\d)\)", page(section), re.MULTILINE) == declared


def test_gpu_example_compiles(tmp_path: Path) -> None:
    from heron_cli.library.header import header
    from heron_cli.library.interface import derive

    from .test_interface import gemm_item

    interface = derive([gemm_item({"m": 128, "n": 768, "k": 768})], registry.get)
    (tmp_path / "heron_kernels.h").write_text(header(interface, "0.1.0", "0.1.0", DEVICE))
    (tmp_path / "app.c").write_text(example("c", "A library for a GPU"))
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-I.", "-fsyntax-only", "app.c"]
    subprocess.run(["cc", *flags], cwd=tmp_path, check=True)
    (entry,) = interface.entries
    assert f"torch.ops.{entry.symbol.replace('_', '.', 1)}(" in example("python", "A library for a GPU")
