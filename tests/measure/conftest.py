from __future__ import annotations

import subprocess
import sys
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
