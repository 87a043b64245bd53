"""Building without running, for a GPU that need not be here."""

from __future__ import annotations

import json

import pytest

from .conftest import Heron


@pytest.mark.cubin
def test_kernels_for_a_gpu_that_is_not_here_are_ranked_by_the_model(heron: Heron) -> None:
    asked = ["tune", "gemm", "--target", "tensorcore-sm80", "--shape", "m=32,n=32,k=64", "--trials", 3]
    found = json.loads(heron(*asked, "--build-only", "--json").stdout)["built"]
    estimates = [kernel["estimated_cycles"] for kernel in found]
    assert len(found) == 3
    assert estimates == sorted(estimates)
    assert all(kernel["metrics"]["registers"] > 0 for kernel in found)
    shown = heron(*asked, "--build-only").stdout
    assert shown.count("cycles estimated") == 3
