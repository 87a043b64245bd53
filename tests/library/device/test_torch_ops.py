"""torch.ops.heron.*: shapes, tracing and calls, with torch for the CPU and a stand-in for the driver."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from .conftest import HERE, Stub

pytestmark = pytest.mark.skipif(find_spec("torch") is None, reason="needs torch (extra 'torch')")
CASES = HERE / "torch_cases.py"


@pytest.mark.parametrize("case", ["shapes", "tracing", "refused"])
def test_case(stub: Stub, library: Path, case: str) -> None:
    stub.run(sys.executable, CASES, case, library)
    assert stub.calls("cuLaunchKernel") == []


def test_exact_on_the_current_stream(stub: Stub, library: Path) -> None:
    stub.run(sys.executable, CASES, "exact", library)
    calls = stub.calls("cuLaunchKernel") + stub.calls("cuMemcpyDtoDAsync")
    assert (
        len(calls) == 6
    )  # two products, one packed by a kernel, one by a copy; twice more for operands that do not fit
    assert all("stream=0x40" in call for call in calls)
