"""Building the kernels of a library, one after the other or in several processes."""

from __future__ import annotations

import os
from typing import Any

import pytest

from heron_cli.session import exporting


@pytest.mark.parametrize("count", [1, 9])
def test_kernels_stay_in_order(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    chosen: list[Any] = [(each, each * each) for each in range(count)]
    made: list[Any] = exporting._build(chosen, sum)  # type: ignore[arg-type]
    assert made == [each + each * each for each in range(count)]
