"""Tests that measure are skipped where the CPU cannot run what they measure."""

from __future__ import annotations

import pytest

from heron_cli.machine import Machine

NEEDED = {"avx512f", "avx512bw", "avx512vl", "avx512_vnni"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = NEEDED - Machine().cpu_flags
    if missing:
        skip = pytest.mark.skip(reason=f"this CPU lacks {', '.join(sorted(missing))}")
        for item in items:
            if item.get_closest_marker("vnni"):
                item.add_marker(skip)
