"""Tests are skipped where what they need is not: a CPU, a compiler of CUDA. Hypothesis ignores the clock."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from heron_cli.backends.cuda.compile import compiler
from heron_cli.errors import InputError
from heron_cli.machine import Machine

# A busy machine is no reason to fail: tests assert nothing about the clock, so neither does hypothesis.
settings.register_profile("heron", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("heron")

NEEDED = {"avx512f", "avx512bw", "avx512vl", "avx512_vnni"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    try:
        compiler()
    except InputError as error:
        for item in items:
            if item.get_closest_marker("cubin"):
                item.add_marker(pytest.mark.skip(reason=str(error)))
    missing = NEEDED - Machine().cpu_flags
    if missing:
        skip = pytest.mark.skip(reason=f"this CPU lacks {', '.join(sorted(missing))}")
        for item in items:
            if item.get_closest_marker("vnni"):
                item.add_marker(skip)
